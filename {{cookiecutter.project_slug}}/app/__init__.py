"""The service: read `main.py` first, then follow the request's way in the README."""

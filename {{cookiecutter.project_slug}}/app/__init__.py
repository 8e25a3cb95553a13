"""The service: read `main.py` first, then follow the way of a request, which the README describes."""

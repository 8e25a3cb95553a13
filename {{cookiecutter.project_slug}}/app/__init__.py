"""The code of the service: read `main.py` first, then follow a request through the modules, as in the README."""

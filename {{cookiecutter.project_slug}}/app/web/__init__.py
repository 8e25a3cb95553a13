"""The HTTP edge: problem responses, error handlers, and pure-ASGI middleware, one class a file, listed in `main.py`."""

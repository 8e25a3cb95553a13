"""The HTTP layer: problem responses, error handlers, and pure-ASGI middleware with one class a file.

`build_middleware` in `main.py` lists the middleware, outermost first.
"""

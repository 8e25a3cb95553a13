"""Pure ASGI classes, one a file; `main.py` lists them, outermost first."""

"""The service of `connection_app.py` with a 1 s timeout for a request's head, to keep tests short."""

from connection_app import app  # type: ignore[import-not-found] # by --pythonpath: `import tests` clears the settings

from app.server import protocol

__all__ = ["app"]

protocol.HEAD_SECONDS = 1.0

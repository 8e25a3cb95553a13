"""The service of `slow_app.py`, which drops slow clients after CLIENT_TIMEOUT_SECONDS, to keep tests short."""

import os

from slow_app import app  # type: ignore[import-not-found] # by --pythonpath: `import tests` clears the settings

from app.server import protocol

__all__ = ["app"]

client_timeout = int(os.environ["CLIENT_TIMEOUT_SECONDS"])
protocol.UNREAD_SECONDS = min(client_timeout, protocol.UNREAD_SECONDS)
protocol.HEAD_SECONDS = float(client_timeout)

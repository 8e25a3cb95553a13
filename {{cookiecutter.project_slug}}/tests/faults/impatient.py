"""The service of `slow.py` with less patience for clients, from PATIENCE_SECONDS, so that a test need not have it."""

import os

from slow import app  # type: ignore[import-not-found] # beside it; the package `tests` would take the settings away

from app.server import protocol

__all__ = ["app"]

patience = int(os.environ["PATIENCE_SECONDS"])
protocol.UNREAD_SECONDS = min(patience, protocol.UNREAD_SECONDS)
protocol.HEAD_SECONDS = float(patience)

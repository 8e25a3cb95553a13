"""The service with little patience for clients that do not read, so that a test need not have it either."""

from app.server import protocol
from tests.faults.slow import app

__all__ = ["SECONDS", "app"]

SECONDS = 3

protocol.UNREAD_SECONDS = min(SECONDS, protocol.UNREAD_SECONDS)

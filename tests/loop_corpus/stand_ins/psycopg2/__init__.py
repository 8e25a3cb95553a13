"""A stand-in for the package psycopg2, whose calls block the thread as those of the package do."""

from typing import Any
from urllib.parse import urlsplit

from _driver import Conversation


def connect(dsn: str) -> Any:
    """Open a connection to the server of the test."""
    parts = urlsplit(dsn)
    return Conversation(parts.hostname or "", parts.port or 5432)

"""The connection without async."""

from urllib.parse import urlsplit

from _driver import Conversation


class Connection(Conversation):
    """A connection."""

    @classmethod
    def connect(cls, conninfo: str) -> "Connection":
        """Open a connection."""
        parts = urlsplit(conninfo)
        return cls(parts.hostname or "", parts.port or 5432)

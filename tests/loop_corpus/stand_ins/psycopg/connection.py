"""The stand-in for psycopg's connection without async."""

from urllib.parse import urlsplit

from _driver import Conversation


class Connection(Conversation):
    """A connection to a database."""

    @classmethod
    def connect(cls, conninfo: str) -> "Connection":
        """Open a connection."""
        parts = urlsplit(conninfo)
        return cls(parts.hostname or "", parts.port or 5432)

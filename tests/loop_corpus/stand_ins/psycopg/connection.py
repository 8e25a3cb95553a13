"""The stand-in for the connection of psycopg that has no async."""

from urllib.parse import urlsplit

from _driver import Conversation


class Connection(Conversation):
    """A stand-in for a connection to a database."""

    @classmethod
    def connect(cls, conninfo: str) -> "Connection":
        """Open a connection to the server of the test."""
        parts = urlsplit(conninfo)
        return cls(parts.hostname or "", parts.port or 5432)

"""The connection class that all stand-ins of database drivers share."""

from typing import Any

from _wire import ask


class Conversation:
    """A stand-in for a database connection with cursor: each statement sends a request to the server, and waits."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        ask(host, port)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def cursor(self) -> Any:
        """Return a cursor of the connection."""
        return self

    def execute(self, _statement: str) -> Any:
        """Run a statement: send a request to the server, and wait for the answer."""
        return ask(*self.address)

    query = execute

    def fetchone(self) -> Any:
        """Return a row of the result."""
        return None

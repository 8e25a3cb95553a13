"""A stand-in for the package mysqlclient."""

from typing import Any

from _driver import Conversation


def Connect(*, host: str, port: int) -> Any:
    """Open a connection to the server of the test."""
    return Conversation(host, port)


connect = Connection = Connect

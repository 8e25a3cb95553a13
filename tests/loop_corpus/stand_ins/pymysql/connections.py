"""The stand-in for PyMySQL's connection."""

from _driver import Conversation


class Connection(Conversation):
    """A stand-in for a connection to a database."""

    def __init__(self, *, host: str, port: int) -> None:
        super().__init__(host, port)

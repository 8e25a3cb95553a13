"""The connection."""

from _driver import Conversation


class Connection(Conversation):
    """A connection."""

    def __init__(self, *, host: str, port: int) -> None:
        super().__init__(host, port)

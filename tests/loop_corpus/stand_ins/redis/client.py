"""The stand-in for redis-py's client without async."""

from typing import Any

from _wire import ask
from redis.commands.core import BasicKeyCommands


class Redis(BasicKeyCommands):
    """A client of Redis that sends each command to a server, and waits for the answer."""

    def __init__(self, host: str = "localhost", port: int = 6379) -> None:
        self.address = (host, port)

    def execute_command(self, *_words: Any) -> Any:
        """Send a command to the server, and return the answer."""
        return ask(*self.address)

    def pipeline(self) -> "Pipeline":
        """Return a pipeline, which collects commands and sends all at once."""
        return Pipeline(*self.address)


class Pipeline(Redis):
    """A pipeline of Redis: collects commands, to send all together."""

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def execute_command(self, *_words: Any) -> Any:
        """Collect a command of the pipeline instead of sending the command."""
        return self

    def execute(self) -> list[Any]:
        """Send the collected commands of the pipeline."""
        return [ask(*self.address)]

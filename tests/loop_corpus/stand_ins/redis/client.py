"""The client without async."""

from typing import Any

from _wire import ask
from redis.commands.core import BasicKeyCommands


class Redis(BasicKeyCommands):
    """Asks a server, and waits."""

    def __init__(self, host: str = "localhost", port: int = 6379) -> None:
        self.address = (host, port)

    def execute_command(self, *_words: Any) -> Any:
        """Send one command and return the answer."""
        return ask(*self.address)

    def pipeline(self) -> "Pipeline":
        """Return a list of commands to send at once."""
        return Pipeline(*self.address)


class Pipeline(Redis):
    """Keeps commands until they are sent at once."""

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def execute_command(self, *_words: Any) -> Any:
        """Keep the command."""
        return self

    def execute(self) -> list[Any]:
        """Send what was kept."""
        return [ask(*self.address)]

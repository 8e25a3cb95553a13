"""The stand-ins for redis-py's command classes, one class for each group of commands."""

from typing import Any


class BasicKeyCommands:
    """The commands of Redis on keys."""

    def execute_command(self, *_words: Any) -> Any:
        """Send one command."""
        raise NotImplementedError

    def get(self, name: str) -> Any:
        """Return the value of a key."""
        return self.execute_command("GET", name)

    def set(self, name: str, value: str) -> Any:
        """Set the value of a key."""
        return self.execute_command("SET", name, value)

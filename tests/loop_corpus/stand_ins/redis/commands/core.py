"""The commands, by what they are about."""

from typing import Any


class BasicKeyCommands:
    """Commands on keys."""

    def execute_command(self, *_words: Any) -> Any:
        """Send one command."""
        raise NotImplementedError

    def get(self, name: str) -> Any:
        """Return the value of a key."""
        return self.execute_command("GET", name)

    def set(self, name: str, value: str) -> Any:
        """Give a key a value."""
        return self.execute_command("SET", name, value)

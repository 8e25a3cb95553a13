"""What is said of one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defence:
    """A part of the service that can be left out, and the test that holds it."""

    what: str
    part: str
    """`module:name`, or a setting of gunicorn.conf.py."""
    instead: str
    """What of `without/instead.py` stands in its place."""
    test: str
    """In the folder above."""

    @property
    def variable(self) -> str:
        """For the environment of the processes that go without it."""
        return f"{self.part}={self.instead}"

"""The record of a defence: a promise, the code that keeps it, and the test of that code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defence:
    """A protection of the service, such as a timeout, and the test that fails when the protection is switched off."""

    promise: str
    """The behaviour that the service promises, as a sentence in the table of docs/faults.md."""
    part: str
    """The function, class or constant that keeps the promise, as `module:name`, or a setting of gunicorn.conf.py."""
    replacement: str
    """The name of a function in `ablated/replacements.py`, or `file.name` of a different file there, that returns a
    replacement without the protection."""
    test: str
    """The path below `tests/` of the test that must fail when the defence is switched off."""

    @property
    def variable(self) -> str:
        """The value of the environment variable ABLATED that switches off this defence in a process."""
        return f"{self.part}={self.replacement}"

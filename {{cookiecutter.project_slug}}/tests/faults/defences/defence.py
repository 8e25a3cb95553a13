"""The record of a defence: a promise, the code that keeps it, and the test of that code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defence:
    """A protection of the service, such as a timeout, and the test that fails when the protection is switched off."""

    promise: str
    """The promised behaviour of the service, as a sentence in the table that `python -m tests.faults.ablate` prints."""
    part: str
    """The function, class or constant that keeps the promise, as `module:name`, or a setting of gunicorn.conf.py."""
    replacement: str
    """The function that returns a replacement without the protection: its name in `ablated/replacements.py`, or
    `file.name` for a different file of `ablated/`."""
    test: str
    """The path below `tests/` of the test that must fail when the defence is switched off."""

    @property
    def variable(self) -> str:
        """The value of the environment variable ABLATED that switches off this defence in a process."""
        return f"{self.part}={self.replacement}"

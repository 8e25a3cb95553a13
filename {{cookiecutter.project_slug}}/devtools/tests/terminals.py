"""Programs on pseudo-terminals, for tests that type as a person does."""

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from devtools.tests.server_users import marked

if sys.platform != "win32":
    import pty


@dataclass
class Terminal:
    """A program on its own pseudo-terminal, and the text that the terminal has shown."""

    pid: int
    keyboard: int
    mark: str
    screen: str = ""

    def shows(self, text: str) -> None:
        """Read until the terminal has shown a text."""
        begin = len(self.screen)
        while text not in self.screen[begin:]:
            self.screen += self._read()

    def types(self, text: str) -> None:
        """Type a text, as a person does."""
        os.write(self.keyboard, text.encode())

    def end(self) -> int:
        """Read the terminal until the program has ended, and return the program's exit code."""
        try:
            while True:
                self.screen += self._read()
        except EOFError:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> str:
        try:
            data = os.read(self.keyboard, 4096)
        except OSError:  # Linux raises an error once the last process has left the terminal
            data = b""
        if not data:
            raise EOFError(self.screen)
        return data.decode(errors="replace")


@contextmanager
def terminal(folder: Path, *arguments: str, **variables: str) -> Iterator[Terminal]:
    """Run Python with these arguments in a folder, on a pseudo-terminal; kill remaining processes at the end."""
    mark = secrets.token_hex(8)
    pid, keyboard = pty.fork()
    if not pid:
        os.chdir(folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        os.execve(sys.executable, [sys.executable, *arguments], environment | variables | {"MARK": mark})  # noqa: S606 - starts this Python, without a shell
    try:
        yield Terminal(pid, keyboard, mark)
    finally:
        for left in marked(mark):
            with suppress(ProcessLookupError):  # the process has just ended by itself
                os.kill(left, signal.SIGKILL)
        os.close(keyboard)

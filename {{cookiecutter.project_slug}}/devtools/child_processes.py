"""Child processes that the development runner or a load test starts, watches and stops together."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from devtools.terminal import Terminal

POLL_SECONDS = 0.05

INTERRUPTED = 130
"""The exit code of a child that had the terminal and got Ctrl-C, as shells report it."""

STOP_SECONDS = 10.0
"""The time in seconds that a child process gets to finish before a kill; a child that takes longer hangs."""


class RunError(Exception):
    """The development runner cannot start the service; the message says what to do."""


class StopRequested(Exception):
    """The development runner got Ctrl-C or SIGTERM, and stops all child processes, youngest first."""


class ChildEnded(Exception):
    """A child process ended although the runner did not stop the child."""

    def __init__(self, name: str, code: int) -> None:
        self.name = name
        self.code = 128 - code if code < 0 else code  # as a shell reports a process that a signal ended
        super().__init__(f"{name} ended unexpectedly, with exit code {self.code}")


@dataclass(slots=True)
class ChildProcesses:
    """The started child processes, oldest first; the end of the context stops the children, youngest first.

    Each child runs under `devtools.end_with_parent`, and so ends with this process, also when this process is killed.
    """

    folder: Path
    stop_seconds: float = STOP_SECONDS
    output: IO[bytes] | None = None
    """The file for the output of the child processes; None passes the output on to the terminal."""

    stop_asked: bool = False
    _running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _terminal: Terminal = field(default_factory=Terminal)

    def __enter__(self) -> Self:
        """Make SIGINT and SIGTERM only set `stop_asked`: an exception between two lines could lose a started child."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._running:
            self._stop(self._running.pop()[1])

    def start(self, name: str, command: list[str], environment: Mapping[str, str], *, terminal: bool = False) -> None:
        """Start a child in a new process group: Ctrl-C reaches the runner only, which stops the children in turn.

        With `terminal`, and when the runner itself is in the foreground of a terminal, the child gets the terminal, so
        that `breakpoint()` can ask: the child's group is in the foreground, reads what is typed, and gets Ctrl-C.
        """
        terminal = terminal and self._terminal.lend()
        process = subprocess.Popen(
            [sys.executable, "-m", "devtools.end_with_parent", str(self.stop_seconds), *command],
            cwd=self.folder,
            env=dict(environment),
            stdin=None if terminal else subprocess.PIPE,
            stdout=self.output,
            stderr=self.output,
            start_new_session=not terminal,
            process_group=0 if terminal else None,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._running.append((name, process))
        if terminal:
            self._terminal.give(process.pid)

    def finish(self, name: str, command: list[str], environment: Mapping[str, str]) -> int:
        """Run a child, such as the migration, to the end and return the exit code; watch the other children."""
        self.start(name, command, environment)
        while True:
            try:
                self.pause()
            except ChildEnded as ended:
                if ended.name != name:
                    raise
                self._stop(self._running.pop()[1])
                return ended.code

    def pause(self) -> None:
        """Wait for a moment, and raise when a signal has come or a child process has ended.

        Raises:
            StopRequested: a signal came.
            ChildEnded: a child ended.
        """
        time.sleep(POLL_SECONDS)
        if self.stop_asked:
            raise StopRequested
        for name, process in self._running:
            if process.poll() is not None:
                if process.returncode == INTERRUPTED and process.stdin is None:
                    raise StopRequested
                raise ChildEnded(name, process.returncode)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """Tell `end_with_parent` to stop the child's command, by the pipe's end; kill the rest of the process group."""
        if process.stdin:
            process.stdin.close()
        else:
            process.terminate()
            self._terminal.take_back()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.stop_seconds + 1)
        process.kill()
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):  # raised when the whole process group has ended
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_asked = True

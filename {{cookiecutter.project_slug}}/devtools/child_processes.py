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
"""The exit code of a child process that Ctrl-C in the terminal has ended; shells report 130 too."""

STOP_SECONDS = 10.0
"""Seconds that a child process gets to stop; a child that takes longer is taken for hung, and killed."""


class RunError(Exception):
    """The development runner cannot start the service; the message says what to do."""


class StopRequested(Exception):
    """The development runner got Ctrl-C or SIGTERM; it stops all child processes, the youngest first."""


class ChildEnded(Exception):
    """A child process ended although the runner did not stop the child."""

    def __init__(self, name: str, code: int) -> None:
        self.name = name
        self.code = 128 - code if code < 0 else code  # as in a shell: 128 + the signal that ended the process
        super().__init__(f"{name} ended unexpectedly, with exit code {self.code}")


@dataclass(slots=True)
class ChildProcesses:
    """The child processes of a runner or a load test. The end of the `with` block stops them, the youngest first.

    Each child runs under `devtools.end_with_parent`, so it ends with this process, even when this process is killed.
    """

    folder: Path
    stop_seconds: float = STOP_SECONDS
    output: IO[bytes] | None = None
    """The file for the child processes' output; with None, the output goes to the terminal."""

    stop_asked: bool = False
    _running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _terminal: Terminal = field(default_factory=Terminal)

    def __enter__(self) -> Self:
        """Let signals only set `stop_asked`: an exception in a signal handler could hide a child just started."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._running:
            self._stop(self._running.pop()[1])

    def start(self, name: str, command: list[str], environment: Mapping[str, str], *, terminal: bool = False) -> None:
        """Start a child in a new process group: Ctrl-C reaches only the runner, which then stops the children in order.

        With `terminal`, if the runner is in the foreground of a terminal, the child's process group becomes the
        foreground group: the child reads the keyboard, so that `breakpoint()` works, and gets Ctrl-C.
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
        """Run a child process, such as the migration, and return its exit code; raise if a different child ends."""
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
        """Sleep for POLL_SECONDS; raise if a signal has arrived or a child process has ended.

        Raises:
            StopRequested: a signal has arrived, or Ctrl-C has ended the child in the foreground of the terminal.
            ChildEnded: a child process has ended.
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
        """Stop a child process: close the pipe, on which `end_with_parent` waits, or without a pipe send SIGTERM.

        After `stop_seconds`, kill the rest of the child's process group.
        """
        if process.stdin:
            process.stdin.close()
        else:
            process.terminate()
            self._terminal.take_back()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.stop_seconds + 1)
        process.kill()
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):  # the whole process group has ended already
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_asked = True

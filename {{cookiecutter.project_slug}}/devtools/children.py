"""Processes that the development runner starts, watches and stops together."""

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

POLL_SECONDS = 0.05

STOP_SECONDS = 10.0
"""What a child gets to finish before it is killed."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM: stop everything in order."""


class ChildEnded(Exception):
    """A child ended by itself."""

    def __init__(self, name: str, code: int) -> None:
        self.name = name
        self.code = 128 - code if code < 0 else code  # as a shell reports a process that a signal ended
        super().__init__(f"{name} ended by itself, with exit code {self.code}")


@dataclass(slots=True)
class Children:
    """Started children, the oldest first; leaving the context stops them, the youngest first.

    Each is held by `devtools.leash`, so that they end with us, also when we are killed.
    """

    folder: Path
    stop_seconds: float = STOP_SECONDS
    output: IO[bytes] | None = None
    """Where the children write; None is where we do."""

    stop_asked: bool = False
    _running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        """From here on a signal only leaves a note: an exception between two lines could lose a child."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._running:
            self._stop(self._running.pop()[1])

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Start a child in a process group of its own: Ctrl-C reaches only the runner, which keeps the order."""
        leash = [sys.executable, "-m", "devtools.leash", str(self.stop_seconds), *command]
        process = subprocess.Popen(
            leash,
            cwd=self.folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._running.append((name, process))

    def finish(self, name: str, command: list[str], environment: Mapping[str, str]) -> int:
        """Run a child to its end and return its exit code; the others are watched meanwhile."""
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
        """Let a little time pass.

        Raises:
            Stopped: a signal came.
            ChildEnded: one of the children is no more.
        """
        time.sleep(POLL_SECONDS)
        if self.stop_asked:
            raise Stopped
        for name, process in self._running:
            if process.poll() is not None:
                raise ChildEnded(name, process.returncode)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """Let go of the leash; end what is left of the group if somebody killed the leash itself."""
        if process.stdin:
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.stop_seconds + 1)
        process.kill()
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):  # nothing is left, as it should be
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_asked = True

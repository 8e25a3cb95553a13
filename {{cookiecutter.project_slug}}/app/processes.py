"""A process that runs one call at a time for the service, and is killed when the call has to stop.

The standard library's process and pipe, and none of the pools. In a `ProcessPoolExecutor` one process that dies or has
to be killed fails the work of all others, and all outlive a service that was killed; anyio's processes live until the
loop ends, whatever the lifespan says, and one whose caller leaves while it starts is forgotten; Pebble's pool breaks
when a process dies that has nothing to do.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TypeVar, TypeVarTuple, cast

from app.child import serve

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SPAWN = multiprocessing.get_context("spawn")
"""Starts a fresh interpreter. A fork would copy locks that threads of the service hold, and its open connections."""

START_SECONDS = 20.0
"""A fresh interpreter takes 0.1 s and its imports; it also imports the service's main module, as `spawn` does."""


class TookTooLong(Exception):
    """The time limit of a call passed, and its process was killed."""


class ProcessEnded(Exception):
    """The process ended before its call did, or could not be started."""


class Helper:
    """One other process, started when it is first needed and again when it has ended.

    `call` and `close` block and belong into a thread. `expect` comes before `call`, and `stop` any time after it.
    """

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._pipe: Connection
        self._wanted = False

    def expect(self) -> None:
        """Take note that a call is coming: what `stop` said was about the one before."""
        self._wanted = True

    def call(self, seconds: float, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function in the process, which imports its module and gets copies of the arguments.

        Raises:
            TookTooLong: it took longer than that.
            ProcessEnded: by itself, or by `stop`.
        """
        try:
            if not self._answers():
                self._start()
            self._pipe.send((seconds, function, args))
            in_time = self._pipe.poll(seconds)
            failed, result = self._pipe.recv() if in_time else (True, TookTooLong())
        except (EOFError, OSError) as error:
            self.close()
            raise ProcessEnded from error
        if not in_time:
            self.close()
        if failed:
            raise cast(BaseException, result)
        return cast(T, result)

    def stop(self) -> None:
        """Kill the process, be it just being started. The call that runs in it ends as `ProcessEnded`."""
        self._wanted = False  # before the look at the process; `_start` does both the other way round
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """Kill the process and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = None

    def _answers(self) -> bool:
        """Ask: an idle process may have been killed, and nobody would have noticed."""
        if self._process is None:
            return False
        try:
            self._pipe.send(None)
            self._pipe.recv()
        except (EOFError, OSError):
            self.close()
            return False
        return True

    def _start(self) -> None:
        self._pipe, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=serve, args=(theirs,), name="offload", daemon=True)
        process.start()
        theirs.close()  # or the pipe would stay open when the process ends
        self._process = process
        if not self._wanted:
            process.kill()
        if not self._pipe.poll(START_SECONDS):
            raise EOFError
        self._pipe.recv()

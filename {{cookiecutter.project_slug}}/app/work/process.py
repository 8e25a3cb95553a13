"""Worker process: runs one call at a time for the service, and is killed when the call has to stop.

The class uses `multiprocessing.Process` and a pipe, because each existing pool has a fault. When a process of a
`ProcessPoolExecutor` dies or is killed, all calls of the pool fail, and the processes outlive a killed service. The
processes of anyio live beyond the lifespan, until the event loop ends, and anyio loses a process whose caller is
cancelled during the start. Pebble's pool breaks when an idle process dies.
"""

import multiprocessing
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TypeVar, TypeVarTuple, cast

from app.work.process_child import serve

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SPAWN = multiprocessing.get_context("spawn")
"""The start method of worker processes: a fresh interpreter. A fork would copy open connections, and locks that threads
of the service hold."""

START_SECONDS = 20.0
"""The timeout for the start of a worker process, in seconds. A fresh interpreter takes 0.1 s, and the imports of the
service's main module take longer."""


class TookTooLong(Exception):
    """Raised when a call in a worker process took longer than the timeout; the process has been killed."""


class ProcessEnded(Exception):
    """Raised when a worker process ended during a call, or could not be started."""


class WorkerProcess:
    """A process that runs one call after the other; a call starts the process if there is none.

    `call` and `close` block: run both in a thread. `expect` must precede each `call`; `stop` may follow at any time.
    """

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._pipe: Connection
        self._wanted = False

    def expect(self) -> None:
        """Announce the next `call`, so that a late `stop` of the previous call does not stop the next call."""
        self._wanted = True

    def call(self, seconds: float, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function in the worker process, which imports the function's module and copies the arguments.

        Raises:
            TookTooLong: the call took longer than `seconds`.
            ProcessEnded: the worker process ended, unexpectedly or by `stop`, or could not be started.
            CallFailed: the function raised an exception that cannot be pickled.
        """
        try:
            if not self._is_alive():
                self._start()
            self._pipe.send((seconds, function, args))
            answer = self._pipe.recv_bytes() if self._pipe.poll(seconds) else None
        except (EOFError, OSError) as error:
            self.close()
            raise ProcessEnded from error
        if answer is None:
            self.close()
            raise TookTooLong
        failed, result = pickle.loads(answer)  # noqa: S301 - the pickle comes from the worker process
        if failed:
            raise cast(BaseException, result)
        return cast(T, result)

    def stop(self) -> None:
        """Kill the worker process, also during the start; the running `call` then raises `ProcessEnded`."""
        # `_start`, in a different thread, sets `_process` and then reads `_wanted`. So `_wanted` is cleared before
        # `_process` is read: then this method or `_start` kills a process that is being started.
        self._wanted = False
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """Kill the worker process and wait until the process has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = None

    def _is_alive(self) -> bool:
        """Tell whether the idle worker process answers; the kernel, for example, may have killed the process."""
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
        self._pipe, child_end = SPAWN.Pipe()
        process = SPAWN.Process(target=serve, args=(child_end,), name="offload", daemon=True)
        process.start()
        child_end.close()  # close this copy, which would keep the pipe open after the worker process has ended
        self._process = process
        if not self._wanted:
            process.kill()
        if not self._pipe.poll(START_SECONDS):
            raise EOFError
        self._pipe.recv()

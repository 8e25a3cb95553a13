"""Worker processes: run CPU-bound Python code, which would hold the GIL and block the event loop, behind a bulkhead."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

from anyio import to_thread

from app.errors import Unavailable
from app.work.offload import Offload, result_of
from app.work.process import ProcessEnded, TookTooLong, WorkerProcess

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TIMEOUT_SECONDS = 3.0
"""The timeout of a CPU-bound call, in seconds. Together with the wait in the queue the call stays below the request's
deadline of 4 s, so that the client gets an error with the cause. Longer work belongs in a background job."""


class Processes:
    """Runs calls in worker processes, behind a bulkhead; bind keyword arguments with `functools.partial`."""

    def __init__(self, *, processes: int, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.timeout_seconds = timeout_seconds
        self._waiting = Offload(threads=processes)  # a thread for each worker process, to wait for the result
        self.bulkhead = self._waiting.threads
        self._idle = [WorkerProcess() for _ in range(processes)]
        self._busy: dict[asyncio.Task[Any], WorkerProcess] = {}
        self._closed = False

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function in a worker process on copies of the arguments; a timeout or a cancellation kills the process.

        Raises:
            Unavailable: too many calls run or queue, the call took too long, or the worker process ended.
        """
        await self.bulkhead.enter()
        if self._closed:
            self.bulkhead.leave()
            raise Unavailable("The service is stopping. Try again.")
        worker_process = self._idle.pop()  # an idle process is left, as the bulkhead admits one call per process
        worker_process.expect()
        call = self._waiting.start(worker_process.call, self.timeout_seconds, function, *args)
        self._busy[call] = worker_process
        call.add_done_callback(self._idle_again)
        try:
            return await result_of(call)
        except asyncio.CancelledError:
            # kill the process only for this call: after its end, the process may run a different call
            if call in self._busy:
                worker_process.stop()
            raise
        except TookTooLong as error:
            raise Unavailable(f"This took longer than {self.timeout_seconds:g} s and was stopped.") from error
        except ProcessEnded as error:
            raise Unavailable("The process that worked on this ended. Try again.") from error

    async def close(self) -> None:
        """Kill all worker processes, including the processes that are running a call."""
        self._closed = True
        for worker_process in self._busy.values():
            worker_process.stop()
        if self._busy:
            await asyncio.wait(self._busy)
        for worker_process in self._idle:
            await to_thread.run_sync(worker_process.close)

    def _idle_again(self, call: asyncio.Task[Any]) -> None:
        self._idle.append(self._busy.pop(call))
        self.bulkhead.leave()

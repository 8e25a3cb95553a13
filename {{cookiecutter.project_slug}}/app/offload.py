"""Work that would stop the event loop: blocking calls go to threads, CPU work to processes, both with bounds.

A thread serves calls that wait or that release the GIL: files, compression, a library without async. Python code that
computes holds the GIL, and only another process lets the loop turn meanwhile.

anyio's processes, and not a `ProcessPoolExecutor`: there one process that dies or has to be killed fails the work of
all others, a stuck one keeps the service from ending, and all outlive a service that was killed.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process, to_thread

from app.errors import Unavailable
from app.gate import Gate
from app.watchdog import watched

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

WAITING_PER_PLACE, WAIT_SECONDS = 10, 0.5
"""A call of 0.05 s, the usual reason to hand one off, at the end of that queue has waited so long."""

CPU_SECONDS = 3.0
"""With the wait below the 4 s that a request gets, so that the answer says what took long. More than that is a job."""

ORPHAN_SECONDS = 1.0
"""After the time limit the process ends itself: its parent is gone, or would have killed it."""

BUSY = "Too many such requests are being worked on. Try again."

log = structlog.get_logger("offload")


class Offload:
    """A number of threads and processes with a bounded queue in front of each. Pass keywords by `functools.partial`."""

    def __init__(self, *, threads: int, processes: int, cpu_seconds: float = CPU_SECONDS) -> None:
        self.cpu_seconds = cpu_seconds
        self.threads = _gate(threads)
        self.processes = _gate(processes)
        self._thread_limiter = CapacityLimiter(threads)
        self._process_limiter = CapacityLimiter(processes)
        self._going_on: set[asyncio.Task[Any]] = set()  # a task without a reference may vanish

    async def blocking(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a blocking call in a thread; give it a time limit of its own where it has one.

        A thread cannot be stopped. When the caller is cancelled the call goes on and keeps its place until it ends.

        Raises:
            Unavailable: too many calls are running.
        """
        await self.threads.enter()
        call = self._start(to_thread.run_sync(function, *args, limiter=self._thread_limiter))
        call.add_done_callback(lambda _call: self.threads.leave())
        return await _result(call)

    async def cpu(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function in another process, which imports its module, gets copies, and is killed when it must stop.

        Raises:
            Unavailable: too many calls are running, or this one took too long, or its process ended.
        """
        await self.processes.enter()
        try:
            await self._have_a_process()
            return await self._in_the_process(function, *args)
        finally:
            self.processes.leave()

    async def _have_a_process(self) -> None:
        """Start a process unless one is idle. This is never cancelled: anyio would forget a half-started process."""
        for _attempt in range(self.processes.places + 1):  # each idle one may be dead, and then one is started
            try:
                await _result(self._start(to_process.run_sync(os.getpid, limiter=self._process_limiter)))
            except BrokenWorkerProcess:  # an idle one that was killed, and nobody had noticed
                continue
            except OSError as error:
                raise Unavailable("No process could be started for this. Try again.") from error
            return

    async def _in_the_process(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        bounds, limiter = self.cpu_seconds + ORPHAN_SECONDS, self._process_limiter
        try:
            async with asyncio.timeout(self.cpu_seconds) as limit:
                return await to_process.run_sync(watched, bounds, function, *args, cancellable=True, limiter=limiter)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Unavailable(f"This took longer than {self.cpu_seconds:g} s and was stopped.") from error
        except (BrokenWorkerProcess, SystemExit) as error:
            raise Unavailable("The process that worked on this ended. Try again.") from error

    def _start(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(call)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        return task


def _gate(places: int) -> Gate:
    return Gate(places=places, max_waiting=WAITING_PER_PLACE * places, max_wait_seconds=WAIT_SECONDS, refusal=BUSY)


async def _result(task: asyncio.Task[T]) -> T:
    """Wait for a task that goes on when the caller is cancelled."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.add_done_callback(_note)
        raise
    return task.result()


def _note(task: asyncio.Task[Any]) -> None:
    """Take the failure of a call that nobody waits for any more; asyncio would write its traceback."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.info("abandoned call failed", error=type(error).__name__)

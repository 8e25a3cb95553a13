"""Work that would stop the event loop: blocking calls go to threads, CPU work to processes, both with bounds.

A thread serves calls that wait or that release the GIL: files, compression, a library without async. Python code that
computes holds the GIL, and only another process lets the loop turn meanwhile.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

import structlog
from anyio import CapacityLimiter, to_thread

from app.errors import Unavailable
from app.gate import Gate
from app.processes import Helper, ProcessEnded, TookTooLong

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

WAITING_PER_PLACE, WAIT_SECONDS = 10, 0.5
"""A call of 0.05 s, the usual reason to hand one off, at the end of that queue has waited so long."""

CPU_SECONDS = 3.0
"""With the wait below the 4 s that a request gets, so that the answer says what took long, unless a process has to be
started for it. More than that is a job."""

BUSY = "Too many such requests are being worked on. Try again."

log = structlog.get_logger("offload")


class Offload:
    """A number of threads and processes with a bounded queue in front of each. Pass keywords by `functools.partial`."""

    def __init__(self, *, threads: int, processes: int, cpu_seconds: float = CPU_SECONDS) -> None:
        self.cpu_seconds = cpu_seconds
        self.threads = _gate(threads)
        self.processes = _gate(processes)
        self._thread_limiter = CapacityLimiter(threads)
        self._computing = CapacityLimiter(processes)
        self._going_on: set[asyncio.Task[Any]] = set()  # a task without a reference may vanish
        self._idle = [Helper() for _ in range(processes)]
        self._busy: dict[asyncio.Task[Any], Helper] = {}
        self._closed = False

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
        if self._closed:
            self.processes.leave()
            raise Unavailable("The service is stopping. Try again.")
        helper = self._idle.pop()  # there is one: as many as places
        helper.expect()
        call = self._start(to_thread.run_sync(helper.call, self.cpu_seconds, function, *args, limiter=self._computing))
        self._busy[call] = helper
        call.add_done_callback(self._idle_again)
        try:
            return await _result(call)
        except asyncio.CancelledError:
            if call in self._busy:  # else its call has just ended, and it may be working for somebody else
                helper.stop()
            raise
        except TookTooLong as error:
            raise Unavailable(f"This took longer than {self.cpu_seconds:g} s and was stopped.") from error
        except ProcessEnded as error:
            raise Unavailable("The process that worked on this ended. Try again.") from error

    async def close(self) -> None:
        """End the processes, and with them what they work on. A thread cannot be ended; what runs in one goes on."""
        self._closed = True
        for helper in self._busy.values():
            helper.stop()
        if self._busy:
            await asyncio.wait(self._busy)
        for helper in self._idle:
            await to_thread.run_sync(helper.close, limiter=self._computing)

    def _idle_again(self, call: asyncio.Task[Any]) -> None:
        self._idle.append(self._busy.pop(call))
        self.processes.leave()

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

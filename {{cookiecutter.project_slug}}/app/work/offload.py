"""Offload: runs blocking calls in threads, behind a bulkhead.

A thread is right for calls that wait or release the GIL: files, compression, a library without async. Python code that
computes holds the GIL even in a thread, and so blocks the event loop: run that code in a worker process.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import structlog
from anyio import CapacityLimiter, to_thread

from app.limits.bulkhead import Bulkhead
from app.request.slot import slot

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

QUEUE_PER_CALL, QUEUE_TIMEOUT_SECONDS = 10, 0.5
"""QUEUE_PER_CALL: the number of callers that may wait for each thread or worker process. QUEUE_TIMEOUT_SECONDS: the
longest wait of a caller. If a call takes 0.05 s, the tenth caller waits 0.5 s."""

BUSY = "Too many such requests are being worked on. Try again."

log = structlog.get_logger("offload")


class Offload:
    """Runs blocking calls in threads, behind a bulkhead; bind keyword arguments with `functools.partial`."""

    def __init__(self, *, threads: int) -> None:
        self.threads = Bulkhead(
            max_concurrent=threads,
            max_queue=QUEUE_PER_CALL * threads,
            queue_timeout_seconds=QUEUE_TIMEOUT_SECONDS,
            refusal=BUSY,
        )
        self._limiter = CapacityLimiter(threads)
        # keeps strong references to the running calls: the event loop has only weak references to tasks
        self._going_on: set[asyncio.Task[Any]] = set()

    async def blocking(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a blocking call in a thread; if the called library has a timeout, set that timeout too.

        A thread cannot be stopped. When the caller is cancelled, the call goes on, and occupies the thread and the
        request's slot in the bulkhead of the route group.

        Raises:
            Unavailable: too many blocking calls are running or queued.
        """
        await self.threads.enter()
        call = self.start(function, *args)
        call.add_done_callback(lambda _call: self.threads.leave())
        return await result_of(call)

    def start(self, function: Callable[[*Ts], T], *args: *Ts) -> asyncio.Task[T]:
        """Start a blocking call in a thread; the caller must have entered the bulkhead `threads` before."""
        task = asyncio.create_task(to_thread.run_sync(function, *args, limiter=self._limiter))
        if (held := slot.get()) is not None:
            held.keep_until_done(task)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        return task


async def result_of(task: asyncio.Task[T]) -> T:
    """Wait for an offloaded call and return the result; cancelling the waiting task does not cancel the call."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.add_done_callback(_log_failure)
        raise
    return task.result()


def _log_failure(task: asyncio.Task[Any]) -> None:
    """Log the failure of an offloaded call whose caller was cancelled; asyncio itself would log a whole traceback."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.info("offloaded call failed after its request was cancelled", error=type(error).__name__)

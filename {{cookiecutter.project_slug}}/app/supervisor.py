"""Work that goes on when its request has been answered: bounded, named, and waited for when the process stops.

A task that nobody holds may vanish in the middle; one that fails says so to nobody; and at the end of the process all
are cut off. For a few milliseconds after the response FastAPI's `BackgroundTasks` do. What must not be lost whatever
happens belongs into the database first: this waits for an orderly stop, and nothing waits for a power failure.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from math import inf
from time import monotonic
from typing import Any

import structlog

from app.deadline import begin
from app.errors import Unavailable
from app.held import forget
from app.pool import share

CANCEL_SECONDS = 0.5
"""What a task gets for its clean-up when there is no more time to wait for it."""

LOOK_SECONDS = 0.1
"""How often it is looked whether somebody got into a hurry meanwhile."""

log = structlog.get_logger("supervisor")


class Supervisor:
    """Owns the background tasks of one process."""

    def __init__(self, *, tasks: int, stop_seconds: float) -> None:
        """Start with none.

        Args:
            tasks: at once, at most.
            stop_seconds: for which those that are running are waited for, from `drain` on.
        """
        self.most = tasks
        self.stop_seconds = stop_seconds
        self._running: set[asyncio.Task[Any]] = set()
        self._ends = inf
        self._closed = False

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._running)

    def owns(self, task: asyncio.Task[Any]) -> bool:
        """Tell whether a task is one of them."""
        return task in self._running

    def start(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        """Start a task. It has no deadline of its own: give it one where it waits for others.

        Args:
            name: for the log.
            work: what it does, with sessions of its own: those of the request are closed with the request.

        Raises:
            Unavailable: there are too many, or the process is stopping.
        """
        if self._closed or len(self._running) >= self.most:
            work.close()
            raise Unavailable("Too much is going on in the background. Try again.")
        context = copy_context()  # the request id goes along; what is bound to the request's life does not
        for leave_behind in (lambda: begin(None), forget, lambda: share.set(None)):
            context.run(leave_behind)
        task = asyncio.get_running_loop().create_task(work, name=name, context=context)
        self._running.add(task)  # the event loop itself holds tasks only weakly
        task.add_done_callback(self._ended)

    def drain(self, seconds: float = inf) -> None:
        """Note that the process is about to stop, and in how much time at most; requests may still start tasks."""
        self._ends = min(self._ends, monotonic() + min(seconds, self.stop_seconds))

    async def close(self) -> None:
        """Wait for the tasks, cancel those that take too long, and report what did not finish."""
        self.drain()
        self._closed = True
        if self._running:
            seconds = round(max(0.0, self._ends - monotonic()), 1)
            log.info("waiting for background tasks", tasks=len(self._running), seconds=seconds)
        while self._running and (seconds := self._ends - monotonic()) > 0:
            await asyncio.wait(self._running, timeout=min(seconds, LOOK_SECONDS))
        unfinished = set(self._running)
        for task in unfinished:
            task.cancel()
            log.error("background task did not finish", task=task.get_name())
        if unfinished:
            await asyncio.wait(unfinished, timeout=CANCEL_SECONDS)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background task failed", task=task.get_name(), exc_info=error)

"""Background tasks: a supervisor starts each task after the commit, bounds the number of tasks, and logs failures.

At a graceful shutdown the supervisor waits for the running tasks, but a process that is killed loses its tasks: work
that must not be lost must first be stored in the database. asyncio itself has only weak references to tasks, logs a
failure late or never, and cancels all tasks at the end of the process. For a few milliseconds of work FastAPI's
`BackgroundTasks` are enough: FastAPI runs them after the response, so after the commit, and drops them if the request
fails.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from math import inf
from time import monotonic
from typing import Any

import structlog

from app.errors import Unavailable
from app.request.detached import detached
from app.request.open_transaction import open_transaction

CANCEL_SECONDS = 0.5
"""How long, in seconds, the shutdown waits for the clean-up of cancelled background tasks."""

POLL_SECONDS = 0.1
"""Seconds between two checks whether the shutdown still waits for background tasks: a second signal, for example, ends
the wait earlier."""

log = structlog.get_logger("supervisor")

failures = logging.getLogger("supervisor")
"""The logger for background tasks that failed. The logger is from the standard library, because error trackers listen
to that library and would not see the exception otherwise."""


class Supervisor:
    """Starts the background tasks of one process, logs failures, and waits for running tasks at the shutdown."""

    def __init__(self, *, tasks: int, stop_seconds: float) -> None:
        """Create a supervisor without background tasks.

        Args:
            tasks: the number of background tasks that may run concurrently.
            stop_seconds: how long the shutdown waits for running tasks, in seconds from the call of `drain`.
        """
        self.most = tasks
        self.stop_seconds = stop_seconds
        self.observe: Callable[[str, float], object] = lambda _name, _seconds: None
        """Called with the name and the duration, in seconds, of each background task that has ended, for metrics."""
        self._running: dict[asyncio.Task[Any], float] = {}  # the start time of each running task
        self._ends = inf
        self._closed = False

    @property
    def running(self) -> int:
        """The number of running background tasks."""
        return len(self._running)

    def owns(self, task: asyncio.Task[Any]) -> bool:
        """Tell whether a task is a background task of this supervisor, and still running."""
        return task in self._running

    def start(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        """Start a background task without a deadline; use `asyncio.timeout` where the coroutine waits.

        Inside a write transaction, the task starts after the commit, and never after a rollback of the transaction or
        of the savepoint. Outside a transaction, as in a request that only reads, the task starts at once.

        Args:
            name: the name of the task in log lines.
            work: the coroutine; must open its own sessions, as the sessions of the request close with the request.

        Raises:
            Unavailable: too many background tasks are running, or the process is stopping.
        """
        if self._closed or len(self._running) >= self.most:
            work.close()
            raise Unavailable("No further background task can start now. Try again.")
        if (transaction := open_transaction.get()) is not None:
            work = _after(transaction.committed(), work)
        task = asyncio.get_running_loop().create_task(work, name=name, context=detached())
        self._running[task] = monotonic()  # strong reference, as the event loop has only a weak reference to the task
        task.add_done_callback(self._ended)

    def drain(self, seconds: float = inf) -> None:
        """Begin the graceful shutdown: background tasks have at most `seconds` left to finish.

        Requests in flight may still start background tasks, which have the same limit.
        """
        self._ends = min(self._ends, monotonic() + min(seconds, self.stop_seconds))

    async def close(self) -> None:
        """Wait for the running background tasks, at most as long as `drain` set; then cancel and log the rest."""
        self.drain()
        self._closed = True
        if self._running:
            seconds = round(max(0.0, self._ends - monotonic()), 1)
            log.info("shutdown waits for background tasks", tasks=len(self._running), seconds=seconds)
        while self._running and (seconds := self._ends - monotonic()) > 0:
            await asyncio.wait(self._running, timeout=min(seconds, POLL_SECONDS))
        unfinished = set(self._running)
        for task in unfinished:
            task.cancel()
            log.error("background task cancelled at shutdown", task=task.get_name())
        if unfinished:
            await asyncio.wait(unfinished, timeout=CANCEL_SECONDS)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.observe(task.get_name(), monotonic() - self._running.pop(task))
        if not task.cancelled() and (error := task.exception()) is not None:
            failures.error("background task failed", extra={"task": task.get_name()}, exc_info=error)


async def _after(committed: asyncio.Future[bool], work: Coroutine[Any, Any, object]) -> None:
    """Run the work of a background task once the transaction has committed; drop the work after a rollback."""
    try:
        if await committed:
            await work
    finally:
        work.close()  # else Python warns of a coroutine that never ran; closing a finished coroutine has no effect

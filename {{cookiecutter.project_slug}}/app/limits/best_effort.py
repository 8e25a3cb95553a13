"""Best effort: calls to an optional dependency, such as a shared cache, with a timeout and a pause after a failure.

During the pause no caller waits for the dependency, and after it one caller tries again. So a dependency that hangs
costs one timeout in each pause, and not one for each request.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeVar

import structlog

T = TypeVar("T")

TICKS = 10
"""The number of short timers into which a timeout is divided. Between two timers the event loop turns at least once, so
even on a late event loop a call gets this many turns before the timeout."""

log = structlog.get_logger("best effort")


@asynccontextmanager
async def responsive_timeout(seconds: float) -> AsyncGenerator[None]:
    """Raise TimeoutError when the block takes longer than `seconds`; a lag of the event loop does not count.

    A hundred requests that arrive at once make the loop late by as many milliseconds. With `asyncio.timeout` the loop
    would then find the timer due before it reads a reply that has arrived already.
    """
    loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
    async with asyncio.timeout(None) as limit:

        def tick(left: int) -> None:
            if left:
                timers[:] = [loop.call_later(seconds / TICKS, tick, left - 1)]
            else:
                limit.reschedule(loop.time())

        tick(TICKS)
        try:
            yield
        finally:
            timers[0].cancel()


class BestEffort:
    """Calls an optional dependency that may be down; `call` then returns None, and the caller goes on without it."""

    def __init__(
        self, part: str, errors: tuple[type[Exception], ...], *, timeout_seconds: float, pause_seconds: float
    ) -> None:
        """Prepare the calls; the dependency counts as working.

        Args:
            part: the name of the dependency in log lines.
            errors: the errors that mean that the dependency is down; any other error is raised.
            timeout_seconds: the longest wait for the dependency.
            pause_seconds: how long the dependency is not called after a failure.
        """
        self._part = part
        self._errors: tuple[type[Exception], ...] = (*errors, TimeoutError)
        self._timeout_seconds, self._pause_seconds = timeout_seconds, pause_seconds
        self._down_until: float | None = None

    async def call(self, use: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of a call; None when the dependency is down, without a call during the pause."""
        if self._down_until is not None:
            if monotonic() < self._down_until:
                return None
            self._down_until = monotonic() + self._pause_seconds  # no other caller tries at the same time
        try:
            async with responsive_timeout(self._timeout_seconds):
                result = await use()
        except self._errors as error:
            if self._down_until is None:  # one log line for each outage
                log.warning("optional dependency is down", part=self._part, cause=repr(error))
            self._down_until = monotonic() + self._pause_seconds
            return None
        if self._down_until is not None:
            self._down_until = None
            log.info("optional dependency works again", part=self._part)
        return result

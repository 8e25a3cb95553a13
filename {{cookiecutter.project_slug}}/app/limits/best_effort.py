"""Best effort: calls to an optional dependency, such as a shared cache, with a timeout and a pause after a failure.

During the pause no caller waits for the dependency, and after the pause one caller tries again. So a dependency that
hangs costs one timeout in each pause, and not a timeout in each request.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeVar

import structlog

T = TypeVar("T")

TICKS = 10
"""The number of short timers into which `responsive_timeout` divides a timeout. The event loop runs its callbacks at
least once between two timers, so that a reply which has arrived is read before the timeout, even on a late event
loop."""

log = structlog.get_logger("best effort")


@asynccontextmanager
async def responsive_timeout(seconds: float) -> AsyncGenerator[None]:
    """Raise TimeoutError when the `async with` block takes longer than `seconds`, the event loop's own lag excluded.

    A hundred requests that arrive at once make the event loop late by about 100 ms. With `asyncio.timeout` the event
    loop would then fire the timer before it reads a reply that has arrived already.
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
    """Calls an optional dependency that may be down; `call` then returns None, and the caller goes on."""

    def __init__(
        self, part: str, errors: tuple[type[Exception], ...], *, timeout_seconds: float, pause_seconds: float
    ) -> None:
        """Prepare calls to one dependency, which counts as working until a call fails.

        Args:
            part: the name of the dependency in log lines.
            errors: the exceptions that mean that the dependency is down; any other exception is raised.
            timeout_seconds: the longest wait for the dependency.
            pause_seconds: how long the dependency is not called after a failure.
        """
        self._part = part
        self._errors: tuple[type[Exception], ...] = (*errors, TimeoutError)
        self._timeout_seconds, self._pause_seconds = timeout_seconds, pause_seconds
        self._down_until: float | None = None

    async def call(self, use: Callable[[], Awaitable[T]]) -> T | None:
        """Call the dependency and return the result; return None after a failure, and at once during the pause."""
        if self._down_until is not None:
            if monotonic() < self._down_until:
                return None
            # set before the call, so that after the pause only one caller tries whether the dependency works again
            self._down_until = monotonic() + self._pause_seconds
        try:
            async with responsive_timeout(self._timeout_seconds):
                result = await use()
        except self._errors as error:
            if self._down_until is None:  # log one line per outage, and not one per failed attempt
                log.warning("optional dependency is down", part=self._part, cause=repr(error))
            self._down_until = monotonic() + self._pause_seconds
            return None
        if self._down_until is not None:
            self._down_until = None
            log.info("optional dependency works again", part=self._part)
        return result

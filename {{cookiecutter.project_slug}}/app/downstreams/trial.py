"""One call with all its attempts: until when, what the downstream is told, and whether there is another attempt."""

import asyncio
from collections.abc import Callable

from app.deadline import expires_at
from app.downstreams.retry import RetryBudget, pause
from app.downstreams.settings import DownstreamSettings
from app.errors import (
    DownstreamError,
    DownstreamOverloaded,
    DownstreamRefused,
    DownstreamTimedOut,
    DownstreamUnavailable,
)
from app.observability import trace
from app.observability.request_id import request_id


class Trial:
    """Counts the attempts of one call, and knows when it is over."""

    def __init__(
        self, settings: DownstreamSettings, retries: RetryBudget, *, repeatable: bool, draining: Callable[[], bool]
    ) -> None:
        now = asyncio.get_running_loop().time()
        expires = expires_at()
        self.ends = now + settings.total_seconds
        self.hurried = expires is not None and expires < self.ends
        """The request has less time than the downstream may take: a timeout says nothing about the downstream."""
        if expires is not None:
            self.ends = min(self.ends, expires)
        self.seconds = max(0.0, self.ends - now)
        self._settings = settings
        self._attempts = settings.attempts if repeatable else 1
        self._retries = retries
        self._draining = draining
        self._failures = 0
        self._flying = self._cut_off = False

    def headers(self) -> dict[str, str]:
        """Return what the downstream is told about us: who asks, how often already, and how long we wait."""
        told = trace.headers() | {
            "X-Attempt": str(self._failures + 1),
            "X-Request-Timeout-Ms": str(round(self.seconds_left() * 1000)),
        }
        own = request_id.get()
        return told | {"X-Request-ID": own} if own is not None else told

    def seconds_left(self) -> float:
        """Return the seconds until the end."""
        return max(0.0, self.ends - asyncio.get_running_loop().time())

    def sent(self) -> None:
        """Note that an attempt has its place at the gate; only calls that are made earn retries."""
        self._flying = True
        if not self._failures:
            self._retries.earn()

    def cut_off(self) -> bool:
        """Note that the time is over; tell whether it was the downstream's, and not spent in our own queue."""
        self._cut_off = self._flying
        return self._flying

    def blames(self, error: DownstreamError) -> bool:
        """Tell whether an error is the downstream's own."""
        if self._cut_off:
            return not self.hurried
        return not isinstance(error, DownstreamOverloaded)

    def pause_after(self, error: Exception) -> bool | float:
        """Return the seconds before the next attempt, or False when there is none."""
        self._failures += 1
        self._flying = False
        again = isinstance(error, DownstreamUnavailable | DownstreamTimedOut) and not isinstance(
            error, DownstreamOverloaded | DownstreamRefused
        )
        if not again or self._failures >= self._attempts or self._draining():
            return False
        asked = error.asked_seconds if isinstance(error, DownstreamUnavailable) else None
        own = pause(self._failures, self._settings.retry_first_seconds, self._settings.retry_longest_seconds)
        seconds = max(own, asked or 0)
        in_time = asyncio.get_running_loop().time() + seconds < self.ends
        return seconds if in_time and self._retries.take() else False

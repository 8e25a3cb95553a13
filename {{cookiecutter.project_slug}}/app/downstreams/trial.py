"""One call with all its attempts: until when, what the downstream is told, and whether there is another attempt."""

import asyncio

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
from app.observability.request_id import request_id
from app.observability.trace import traceparent


class Trial:
    """Counts the attempts of one call, and knows when it is over."""

    def __init__(self, settings: DownstreamSettings, retries: RetryBudget, *, repeatable: bool) -> None:
        now = asyncio.get_running_loop().time()
        expires = expires_at.get()
        self.ends = now + settings.total_seconds
        self.hurried = expires is not None and expires < self.ends
        """The request has less time than the downstream may take: a timeout says nothing about the downstream."""
        if expires is not None:
            self.ends = min(self.ends, expires)
        self.seconds = max(0.0, self.ends - now)
        self._attempts = settings.attempts if repeatable else 1
        self._retries = retries
        self._failures = 0

    def headers(self) -> dict[str, str]:
        """Return what the downstream is told about us: who asks, how often already, and how long we wait."""
        left = max(0.0, self.ends - asyncio.get_running_loop().time())
        told = {
            "Traceparent": traceparent(),
            "X-Attempt": str(self._failures + 1),
            "X-Request-Timeout-Ms": str(round(left * 1000)),
        }
        own = request_id.get()
        return told | {"X-Request-ID": own} if own is not None else told

    def blames(self, error: DownstreamError) -> bool:
        """Tell whether an error is the downstream's own."""
        if isinstance(error, DownstreamTimedOut):
            return not self.hurried
        return not isinstance(error, DownstreamOverloaded)

    def pause_after(self, error: Exception) -> bool | float:
        """Return the seconds before the next attempt, or False when there is none."""
        self._failures += 1
        again = isinstance(error, DownstreamUnavailable | DownstreamTimedOut) and not isinstance(
            error, DownstreamOverloaded | DownstreamRefused
        )
        if not again or self._failures >= self._attempts:
            return False
        asked = error.asked_seconds if isinstance(error, DownstreamUnavailable) else None
        seconds = max(pause(self._failures), asked or 0)
        in_time = asyncio.get_running_loop().time() + seconds < self.ends
        return seconds if in_time and self._retries.take() else False

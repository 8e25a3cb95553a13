"""The attempts of one call to a downstream: the time limit, the headers of each attempt, and the decision to retry."""

import asyncio
from collections.abc import Callable

import structlog

from app.downstreams.retry_budget import RetryBudget, backoff
from app.errors import (
    DownstreamError,
    DownstreamOverloaded,
    DownstreamRefused,
    DownstreamTimedOut,
    DownstreamUnavailable,
)
from app.request import trace
from app.request.deadline import seconds_left
from app.request.identity import request_id
from app.settings.downstreams import DownstreamSettings

log = structlog.get_logger("downstreams")


class Attempts:
    """The attempts of one call to a downstream.

    All attempts together end at the timeout of the call or at the deadline of the request, whichever comes first.
    """

    def __init__(
        self, settings: DownstreamSettings, retries: RetryBudget, *, retryable: bool, draining: Callable[[], bool]
    ) -> None:
        self.seconds = seconds_left(settings.timeout_seconds)
        self.ends = _now() + self.seconds
        self._settings = settings
        self._attempts = settings.max_attempts if retryable else 1
        self._retries = retries
        self._draining = draining
        self._failures = 0
        self._sent_at: float | None = None
        self._cut_off = False

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers of the next attempt: trace, request id, number of the attempt, remaining time."""
        milliseconds = str(round(self.seconds_left() * 1000))
        told = trace.headers() | {"X-Attempt": str(self._failures + 1), "X-Request-Timeout-Ms": milliseconds}
        own = request_id.get()
        return told | {"X-Request-ID": own} if own is not None else told

    def seconds_left(self) -> float:
        """Return the seconds that are left for this call to a downstream, including retries."""
        return max(0.0, self.ends - _now())

    def sent(self) -> None:
        """Record that an attempt is sent to the downstream now; the first attempt adds to the retry budget."""
        self._sent_at = _now()
        if not self._failures:
            self._retries.earn()

    def cut_off(self) -> bool:
        """Record that the call reached the timeout; return True if an attempt had been sent, False if still queued."""
        self._cut_off = self._sent_at is not None
        return self._cut_off

    def blames_downstream(self, error: BaseException) -> bool:
        """Tell whether an error is the downstream's fault, so that the circuit breaker counts a failure.

        The deadline of the request, or a client that disconnects, may cut an attempt short. The attempt then counts as
        a failure if it ran for more than half of the call's timeout. Otherwise a downstream that hangs would never open
        the circuit breaker as long as deadlines are short or clients disconnect early.
        """
        if self._cut_off or isinstance(error, asyncio.CancelledError):
            return self._sent_at is not None and _now() - self._sent_at > self._settings.timeout_seconds / 2
        return isinstance(error, DownstreamError) and not isinstance(error, DownstreamOverloaded)

    def pause_after(self, error: Exception) -> bool | float:
        """Return the seconds to wait before the failed call is retried, or False when the call must not be retried."""
        self._failures += 1
        self._sent_at = None
        if not isinstance(error, DownstreamUnavailable | DownstreamTimedOut):
            return False
        if isinstance(error, DownstreamOverloaded | DownstreamRefused):
            return False
        if self._failures >= self._attempts or self._draining():
            return False
        asked = error.asked_seconds if isinstance(error, DownstreamUnavailable) else None
        first, most = self._settings.retry_first_backoff_seconds, self._settings.retry_max_backoff_seconds
        own = backoff(self._failures, first, most)
        seconds = max(own, asked or 0)
        if _now() + seconds >= self.ends:
            return False
        if self._retries.take():
            return seconds
        log.warning("retry refused by the retry budget", downstream=error.name, attempts=self._failures)
        return False


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Retry budget, backoff and Retry-After: how often and when calls to a downstream are retried.

Retries add load just when a downstream is overloaded, so all retries to a downstream together are bounded to a small
ratio of the calls. A downstream with few calls would hardly earn a retry, so a floor allows a few in any case.
"""

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from app.limits.token_bucket import TokenBucket

MAX_SAVED = 10.0
"""The most retries that a budget saves up, and so the largest burst of retries after a time without failures."""

FLOOR_RETRIES, FLOOR_REFILL_SECONDS = 3, 3.0
"""The floor of a retry budget: retries that no earlier calls have to earn, and the seconds until a used retry is back.
A downstream with little traffic gets its retries; 20 a minute in each process are too few to harm a downstream."""

MAX_RETRY_AFTER_SECONDS = 3600
"""The bound of a Retry-After header: a downstream may not make callers wait for longer than an hour."""


class RetryBudget:
    """The retry budget of one downstream: each call adds a fraction, `ratio`, each retry takes 1; with a floor."""

    def __init__(self, ratio: float) -> None:
        """Start with the floor alone, so that a service that has just started begins with few retries.

        Args:
            ratio: retries per call, such as 0.1.
        """
        self._ratio = ratio
        self._saved = 0.0
        self._floor = TokenBucket(size=FLOOR_RETRIES, refill_seconds=FLOOR_REFILL_SECONDS)

    def earn(self) -> None:
        """Add `ratio` to the budget, for a call that is sent."""
        self._saved = min(MAX_SAVED, self._saved + self._ratio)

    def take(self) -> bool:
        """Take a retry of those that calls have earned, else of the guaranteed minimum; False when none is left."""
        if self._saved < 1 - 1e-9:  # in floating point, ten times 0.1 is a little less than 1
            return self._floor.take()
        self._saved -= 1
        return True


def backoff(failures: int, first_seconds: float, max_seconds: float) -> float:
    """Return the seconds to wait before a retry: random below an exponential bound, so that callers spread out.

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter.
    """
    return random.uniform(0, min(max_seconds, first_seconds * 2 ** (failures - 1)))  # noqa: S311 - a pause is no secret


def retry_after(value: str | None) -> int | None:
    """Return the seconds that a Retry-After header asks for, as number or date; None if missing or malformed."""
    if value is None:
        return None
    if value.isdecimal():
        return min(int(value[:6]), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0, math.ceil((aware - datetime.now(UTC)).total_seconds())), MAX_RETRY_AFTER_SECONDS)

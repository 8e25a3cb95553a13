"""Retry budget, backoff and Retry-After: decide how often and when calls to a downstream are retried.

Retries add load just when a downstream is overloaded, so the retries of all calls to a downstream are bounded to a
small ratio of the calls. A downstream with few calls would hardly earn a retry, so a few retries are always allowed:
the floor.
"""

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from app.limits.token_bucket import TokenBucket

MAX_SAVED = 10.0
"""The largest number of earned retries that a retry budget keeps, which bounds the burst of retries when a downstream
begins to fail."""

FLOOR_RETRIES, FLOOR_REFILL_SECONDS = 3, 3.0
"""The floor of a retry budget: a token bucket of 3 retries that need not be earned, refilled by 1 retry every 3 s. A
downstream with few calls earns hardly any retries, and may use the floor. 20 retries a minute in each process are too
few to harm a downstream."""

MAX_RETRY_AFTER_SECONDS = 3600
"""The longest Retry-After, in seconds, that is accepted from a downstream; a longer wait counts as one hour."""


class RetryBudget:
    """The retry budget of one downstream: each call adds `ratio`, such as 0.1, and each retry takes 1.

    When the budget is empty, retries come from the floor of FLOOR_RETRIES.
    """

    def __init__(self, ratio: float) -> None:
        """Start without earned retries: a process that has just started may use only the floor.

        Args:
            ratio: retries per call, such as 0.1.
        """
        self.taken = self.refused = 0
        self._ratio = ratio
        self._saved = 0.0
        self._floor = TokenBucket(size=FLOOR_RETRIES, refill_seconds=FLOOR_REFILL_SECONDS)

    def earn(self) -> None:
        """Add `ratio` to the retry budget, because a call is sent to the downstream."""
        self._saved = min(MAX_SAVED, self._saved + self._ratio)

    def take(self) -> bool:
        """Take an earned retry, or else a retry of the floor; return False when both are used up."""
        earned = self._saved >= 1 - 1e-9  # in floating point, ten times 0.1 is a little less than 1
        self._saved -= earned
        taken = earned or self._floor.take()
        self.taken += taken
        self.refused += not taken
        return taken


def backoff(failures: int, first_seconds: float, max_seconds: float) -> float:
    """Return the seconds to wait before a retry: random, below a bound that doubles with each failure.

    The bound never exceeds `max_seconds`. The wait is random, so that calls that failed at the same moment are not
    retried at the same moment.

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter.
    """
    return random.uniform(0, min(max_seconds, first_seconds * 2 ** (failures - 1)))  # noqa: S311 - a random pause is no secret


def retry_after(value: str | None) -> int | None:
    """Return the seconds of a Retry-After header, given as a number or as a date; None if missing or malformed."""
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

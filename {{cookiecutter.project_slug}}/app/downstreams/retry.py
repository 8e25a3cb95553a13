"""Which calls are made again, when, and how often in all.

Retries are a load of our own making, and most of it comes when the other side can bear it least: so all retries of a
downstream together are a small share of its calls.
"""

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SAVED = 10.0
"""Retries that may come at once, after quiet times."""

LONGEST_PAUSE_SECONDS = 3600


class RetryBudget:
    """A bucket that calls fill and retries empty."""

    def __init__(self, share: float) -> None:
        """Start empty: a service that has just started must not begin with retries.

        Args:
            share: the retry that each call earns.
        """
        self._share = share
        self._saved = 0.0

    def earn(self) -> None:
        """Count a call."""
        self._saved = min(SAVED, self._saved + self._share)

    def take(self) -> bool:
        """Take a retry if there is one."""
        if self._saved < 1 - 1e-9:  # ten tenths are a little less than one
            return False
        self._saved -= 1
        return True


def pause(failures: int, first_seconds: float, longest_seconds: float) -> float:
    """Return the seconds before the next attempt, anywhere below the bound, so that callers do not come back at once.

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter.
    """
    return random.uniform(0, min(longest_seconds, first_seconds * 2 ** (failures - 1)))  # noqa: S311 - no secret


def asked_pause(value: str | None) -> int | None:
    """Return the seconds of a Retry-After header, which may be a number or a date; None when nobody can read it."""
    if value is None:
        return None
    if value.isdecimal():
        return min(int(value[:6]), LONGEST_PAUSE_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0, math.ceil((aware - datetime.now(UTC)).total_seconds())), LONGEST_PAUSE_SECONDS)

"""GCRA, the generic cell rate algorithm: a burst of the whole quota, and then a steady rate.

For each key GCRA keeps one number, `paid_until`: the time at which the key has its whole quota again. Each allowed hit
moves this time by `interval`. With fixed windows instead, a client could get twice the quota around the edge of a
window. All stores count in whole microseconds, so all stores agree exactly.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns
from typing import NamedTuple

SECOND = 1_000_000
"""A second in microseconds, the unit of all times of this module."""

MAX_KEYS = 10_000
"""The most keys that one process counts, in about 2 MB of memory. The least recently used key is dropped first; its
client can then get at most one quota more."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A named rate limit of each client: `quota` hits at once, and from then on `quota` hits in `seconds`.

    Raises:
        ValueError: the name is no identifier in lower case, or the numbers allow nothing or more than one hit in a
            microsecond.
    """

    name: str
    """The name of the policy, which clients see in the RateLimit fields; policies with the same name count together."""
    quota: int
    seconds: float
    shared: bool = True
    """Whether all processes count together, in the store. Otherwise each process allows the whole quota, without
    calls."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", self.name) or self.quota < 1 or self.interval < 1:
            raise ValueError(f"no rate limit: {self!r}")

    @property
    def interval(self) -> int:
        """The time between two hits at the steady rate, in microseconds."""
        return round(self.seconds * SECOND / self.quota)


class Count(NamedTuple):
    """The result of counting one or several hits of one key."""

    allowed: int
    """How many of the hits are allowed."""
    ahead: int
    """The microseconds until the key has its whole quota again; 0 for a key without hits."""

    def wait(self, policy: Policy) -> float:
        """Return the seconds until one more hit is allowed; 0 if one is allowed now."""
        return max(0, self.ahead - policy.interval * (policy.quota - 1)) / SECOND


def count(policy: Policy, ahead: int, hits: int) -> Count:
    """Count hits of a key that, before these hits, would have had its whole quota again in `ahead` microseconds."""
    burst = policy.interval * policy.quota
    ahead = max(0, min(ahead, burst))  # a clock that was set back, or a smaller quota, refuses for one window at most
    allowed = min(hits, (burst - ahead) // policy.interval)
    return Count(allowed, ahead + allowed * policy.interval)


class LocalCounts:
    """The counts of one process: for policies that are not shared, and for all policies while the store is down."""

    def __init__(self, *, max_keys: int = MAX_KEYS, clock: Callable[[], int] = lambda: monotonic_ns() // 1000) -> None:
        """Create empty counts; `clock` returns microseconds and never runs backwards."""
        self.clock = clock
        self._max_keys = max_keys
        self._paid_until: OrderedDict[str, int] = OrderedDict()

    def take(self, key: str, policy: Policy, hits: int = 1) -> Count:
        """Count hits of a key; with 0 hits, only return the current count."""
        now = self.clock()
        counted = count(policy, self._paid_until.get(key, now) - now, hits)
        if hits:
            self.learn(key, now + counted.ahead)
        return counted

    def learn(self, key: str, paid_until: int) -> None:
        """Take over `paid_until` of a key from the store that all processes share; an earlier time has no effect."""
        self._paid_until[key] = max(self._paid_until.get(key, paid_until), paid_until)
        self._paid_until.move_to_end(key)
        if len(self._paid_until) > self._max_keys:
            self._paid_until.popitem(last=False)

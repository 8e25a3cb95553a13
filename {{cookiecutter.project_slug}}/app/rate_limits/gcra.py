"""GCRA, the generic cell rate algorithm: a burst of the whole quota, and then a steady rate.

A hit is a request to which a rate limit applies; a key stands for a client and a policy. For each key GCRA keeps one
number, `paid_until`: the time at which the client has the whole quota again. Each allowed hit moves this time by
`interval`. With fixed windows instead, a client could get twice the quota around the edge of a window. All stores count
in whole microseconds, so all stores agree exactly.
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
"""The most counts of rate limits that one process keeps, in about 2 MB of memory. The least recently used count is
dropped first; the client of this count can then get at most one quota more."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A named rate limit of each client: `quota` requests at once, and from then on `quota` requests in `seconds`.

    Raises:
        ValueError: the name is no identifier in lower case, or the numbers allow no request, or more than one request
            in a microsecond.
    """

    name: str
    """The name of the policy, which clients see in the RateLimit fields; policies with the same name count together."""
    quota: int
    seconds: float
    shared: bool = True
    """Whether all processes count a client's requests together, in the store of the rate limits. Otherwise each process
    counts without calls of the store, and allows the whole quota."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", self.name) or self.quota < 1 or self.interval < 1:
            raise ValueError(f"no rate limit: {self!r}")

    @property
    def interval(self) -> int:
        """The time between two allowed requests at the steady rate of the policy, in microseconds."""
        return round(self.seconds * SECOND / self.quota)


class Count(NamedTuple):
    """The result of a rate limit that has counted one or several requests of a client."""

    allowed: int
    """How many of the counted requests the rate limit allows."""
    ahead: int
    """The microseconds until the client has the whole quota of the rate limit again; 0 without recent requests."""

    def wait(self, policy: Policy) -> float:
        """Return the seconds until the rate limit allows one more request; 0 if a request is allowed now."""
        return max(0, self.ahead - policy.interval * (policy.quota - 1)) / SECOND


def count(policy: Policy, ahead: int, hits: int) -> Count:
    """Count new requests (hits) of a client by a rate limit, and return how many are allowed.

    Args:
        policy: the rate limit.
        ahead: the microseconds until the client would have had the whole quota again without the new requests.
        hits: the number of new requests.
    """
    burst = policy.interval * policy.quota
    # at most the policy's `seconds`: a clock that was set back, or a lowered quota, must not refuse requests for longer
    ahead = max(0, min(ahead, burst))
    allowed = min(hits, (burst - ahead) // policy.interval)
    return Count(allowed, ahead + allowed * policy.interval)


class LocalCounts:
    """The counts of rate limits in one process: for unshared policies, and for all policies while the store is down."""

    def __init__(self, *, max_keys: int = MAX_KEYS, clock: Callable[[], int] = lambda: monotonic_ns() // 1000) -> None:
        """Create empty counts; `clock` returns microseconds and never runs backwards."""
        self.clock = clock
        self._max_keys = max_keys
        self._paid_until: OrderedDict[str, int] = OrderedDict()

    def take(self, key: str, policy: Policy, hits: int = 1) -> Count:
        """Count requests (hits) by a rate limit in this process; with 0 hits, only return the current count."""
        now = self.clock()
        counted = count(policy, self._paid_until.get(key, now) - now, hits)
        if hits:
            self.learn(key, now + counted.ahead)
        return counted

    def learn(self, key: str, paid_until: int) -> None:
        """Store the time at which a client has the whole quota again, counted here or in the store of all processes.

        An earlier time than the stored time has no effect.
        """
        self._paid_until[key] = max(self._paid_until.get(key, paid_until), paid_until)
        self._paid_until.move_to_end(key)
        if len(self._paid_until) > self._max_keys:
            self._paid_until.popitem(last=False)

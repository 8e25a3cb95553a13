"""The rate limiter: counts hits in the store that all processes share, and in this process while the store fails.

A hit is a request to which a rate limit applies. A store that is down, frozen or saturated never lifts a limit and
never fails a request. The hit is then counted in the process, with the whole quota: all processes together allow at
most their number times the quota. For PAUSE_SECONDS no hit asks the store; then one hit tries the store again.
"""

import asyncio
from typing import Protocol
from weakref import WeakValueDictionary

from app.limits.best_effort import BestEffort
from app.rate_limits.gcra import Count, LocalCounts, Policy
from app.request.detached import detached

STORE_SECONDS = 0.1
"""The longest wait of a request for the store of the rate limits, in seconds: the store usually takes a millisecond,
and a slow store must not slow down each request."""

PAUSE_SECONDS = 1.0
"""How long the store of the rate limits is not asked after a failure, in seconds: at most one request in each pause
waits in vain."""


class Store(Protocol):
    """A store in which all processes count the hits of rate limits together."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions of `take` which mean that the store failed; the store may have counted the hits or not."""

    async def take(self, key: str, policy: Policy, hits: int) -> Count:
        """Count `hits` requests of the client `key` under the rate limit `policy`, in one atomic step."""


class Lane:
    """The uncounted hits of one client: while a call of the store counts earlier hits, these hits wait for the next."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.hits = 0
        self.counting: asyncio.Task[Count | None] | None = None


class Limiter:
    """Counts hits, the requests to which a rate limit applies, in the store or in this process."""

    def __init__(
        self, store: Store, *, timeout_seconds: float | None = None, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        """Create a limiter.

        Args:
            store: counts the hits of the policies that all processes share.
            timeout_seconds: the longest wait for the store, by default STORE_SECONDS.
            pause_seconds: how long the store is not asked after a failure.
        """
        bounds = {"timeout_seconds": timeout_seconds or STORE_SECONDS, "pause_seconds": pause_seconds}
        self._store, self._calls = store, BestEffort("store of rate limits", store.errors, **bounds)
        self._local = LocalCounts()
        self._lanes: WeakValueDictionary[str, Lane] = WeakValueDictionary()

    async def take(self, key: str, policy: Policy) -> Count:
        """Count a hit of a client by a rate limit; the hit is allowed if `allowed` of the result is 1."""
        known = self._local.take(key, policy, 0)
        # A client that this process already knows to be beyond its limit is refused without a call of the store.
        if policy.shared and not known.wait(policy):
            counted = await self._take_together(key, policy)
            if counted is not None:
                return counted
        return self._local.take(key, policy)

    async def _take_together(self, key: str, policy: Policy) -> Count | None:
        """Count a hit in the store together with concurrent hits of the same client; return None if the store fails.

        With a call for each hit, hundreds of parallel hits of one client would wait for each other in the store, for
        longer than the timeout. Hits that arrive during a call are counted by the next call.
        """
        lane = self._lanes.setdefault(key, Lane())
        lane.hits += 1
        place = lane.hits
        # in a separate task, as this request may end while the store also counts hits of different requests
        if lane.counting is None:
            counting = self._count_next(lane, key, policy)
            lane.counting = asyncio.get_running_loop().create_task(counting, context=detached())
        counted = await asyncio.shield(lane.counting)
        return counted and counted._replace(allowed=int(place <= counted.allowed))

    async def _count_next(self, lane: Lane, key: str, policy: Policy) -> Count | None:
        async with lane.turn:
            hits, lane.hits, lane.counting = lane.hits, 0, None
            sent = self._local.clock()
            counted = await self._calls.call(lambda: self._store.take(key, policy, hits))
        if counted is None:
            return None
        # A store that has lost the counts, as in a restart, allows the whole quota again. So the hits are counted in
        # this process too, which allows only what its own count leaves.
        own = self._local.take(key, policy, counted.allowed)
        self._local.learn(key, sent + counted.ahead)
        return Count(own.allowed, max(own.ahead, counted.ahead))

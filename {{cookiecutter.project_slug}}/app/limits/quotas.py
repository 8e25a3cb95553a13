"""Connection quotas: bulkheads that divide the connections of one pool, with a guaranteed minimum for each quota.

A caller beyond the minimum of its quota gets a connection only if enough connections stay free for the quotas that use
none. A cap per quota alone does not add up: two stuck route groups with caps of three quarters hold the whole pool. A
guarantee alone would leave a busy group nothing but its minimum beside a stuck group, so a quota has a cap as well.
The price of both is that a busy route group cannot use the last connections of the pool.
"""

from collections.abc import Iterable
from math import inf
from time import monotonic

from app.limits.bulkhead import Bulkhead
from app.request.slot import BACKGROUND

MINIMUM = 1
"""Connections that each quota may always use. One connection serves some hundred short statements a second."""


class Quota(Bulkhead):
    """A bulkhead for the connections of one route group, which never holds what is guaranteed to other quotas."""

    def __init__(self, pool: "Quotas", *, max_concurrent: int) -> None:
        super().__init__(
            max_concurrent=max_concurrent,
            max_queue=pool.max_queue,
            queue_timeout_seconds=pool.queue_timeout_seconds,
            refusal="The database is too busy.",
        )
        self._pool = pool

    def leave(self) -> None:
        """Return a connection, and let in the callers of all quotas that may enter now."""
        self._count(-1)
        if not self.in_use:
            self._interval = 0.0  # as in an empty bulkhead
        self._pool.let_in()

    def has_room(self) -> bool:
        """Tell whether a caller may enter now: within the minimum of the quota, or beyond the reserve of the rest."""
        free = self._pool.max_concurrent - self._pool.in_use
        return super().has_room() and free > (0 if self.in_use < MINIMUM else self._pool.reserved())

    def _count(self, change: int) -> None:
        super()._count(change)
        self._pool.in_use += change

    async def _wait(self, within: float) -> None:
        if not self._queue:
            self._entered_at = monotonic()  # an unused quota that entered long ago is not stuck
        await super()._wait(within)


class Quotas:
    """The quotas of one connection pool, by name, and the numbers of the whole pool."""

    def __init__(  # noqa: PLR0913 - each number is a bound of the capacity plan
        self,
        names: Iterable[str] = (),
        *,
        max_concurrent: int,
        max_queue: int,
        queue_timeout_seconds: float,
        quota: int | None = None,
        reserved: int = 0,
    ) -> None:
        """Divide a pool among the quotas of these names and the quota of background work.

        Args:
            names: the names of the quotas, which are those of the route groups.
            max_concurrent: the connections of the pool.
            max_queue: the callers of one quota that may wait.
            queue_timeout_seconds: the longest wait of a caller, in seconds.
            quota: the connections that one quota may use at most; by default all.
            reserved: the connections that stay free for the quotas that use none.
        """
        self.max_concurrent = max_concurrent
        self.max_queue = max_queue
        self.queue_timeout_seconds = queue_timeout_seconds
        self.in_use = 0
        most = max_concurrent if quota is None else quota
        self.by_name = {name: Quota(self, max_concurrent=most) for name in (*names, BACKGROUND)}
        self._most_reserved = reserved

    def of(self, name: str) -> Quota:
        """Return the quota of this name, that of background work for an unknown name."""
        return self.by_name.get(name) or self.by_name[BACKGROUND]

    @property
    def queued(self) -> int:
        """The number of callers that wait for a connection, in all quotas."""
        return sum(quota.queued for quota in self.by_name.values())

    @property
    def refused(self) -> int:
        """The number of callers that were refused a connection, in all quotas."""
        return sum(quota.refused for quota in self.by_name.values())

    def reserved(self) -> int:
        """Return how many connections stay free for the quotas that use fewer than their minimum."""
        unmet = sum(max(0, MINIMUM - quota.in_use) for quota in self.by_name.values())
        return min(unmet, self._most_reserved)

    def let_in(self) -> None:
        """Let in the callers that may enter now, in the order of their arrival."""
        while ready := [quota for quota in self.by_name.values() if quota.first_arrival() < inf and quota.has_room()]:
            min(ready, key=Quota.first_arrival).admit_first()

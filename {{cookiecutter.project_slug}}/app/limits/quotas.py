"""Connection quotas: bulkheads that divide the connections of one pool, with a guaranteed minimum for each quota.

Each route group has a quota, and background work has one too. Beyond the minimum of its quota, a caller gets a
connection only if enough connections stay free for the quotas that use no connection. Each quota also has a cap. With
caps alone, two stuck route groups with caps of three quarters of the pool would hold the whole pool. With minimums
alone, one stuck group would take all but the minimums, and leave a busy group only its minimum. The price of having
both: a busy route group cannot use the last connections of the pool, even if no other group needs them.
"""

from collections.abc import Iterable
from math import inf
from time import monotonic

from app.limits.bulkhead import Bulkhead
from app.request.slot import BACKGROUND

MINIMUM = 1
"""The number of database connections that each quota may always use. One connection serves some hundred short
statements a second."""


class Quota(Bulkhead):
    """A bulkhead for the database connections of one route group.

    The bulkhead keeps free the connections that the quotas of other route groups are guaranteed.
    """

    def __init__(self, pool: "Quotas", *, max_concurrent: int) -> None:
        super().__init__(
            max_concurrent=max_concurrent,
            max_queue=pool.max_queue,
            queue_timeout_seconds=pool.queue_timeout_seconds,
            refusal="The database is too busy.",
        )
        self._pool = pool

    def leave(self) -> None:
        """Return a connection to the pool, and let in the waiting callers of all quotas that may use a connection."""
        self._count(-1)
        if not self.in_use:
            self._interval = 0.0  # the quota is unused: the average time between entries no longer predicts a wait
        if self._pool.waiting:
            self._pool.let_in()

    def has_room(self) -> bool:
        """Tell whether a caller may take a connection now.

        A caller within the minimum of its quota may take any free connection. Beyond the minimum, the connections that
        are reserved for other quotas must stay free.
        """
        free = self._pool.max_concurrent - self._pool.in_use
        return super().has_room() and free > (0 if self.in_use < MINIMUM else self._pool.reserved())

    def _count(self, change: int) -> None:
        super()._count(change)
        self._pool.in_use += change

    async def _wait(self, within: float) -> None:
        if not self._queue:
            # While the queue was empty no caller could enter from it, so restart the clock that detects a stuck queue.
            self._entered_at = monotonic()
        self._pool.waiting += 1
        try:
            await super()._wait(within)
        finally:
            self._pool.waiting -= 1


class Quotas:
    """All connection quotas of one database pool: counts the connections in use, and lets waiting callers in."""

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
            max_concurrent: the number of connections of the pool.
            max_queue: the number of callers that may wait in one quota.
            queue_timeout_seconds: the longest wait of a caller, in seconds.
            quota: the most connections that one quota may use; by default all.
            reserved: the most connections that are kept free for quotas that use no connection.
        """
        self.max_concurrent = max_concurrent
        self.max_queue = max_queue
        self.queue_timeout_seconds = queue_timeout_seconds
        self.in_use = self.waiting = 0
        most = max_concurrent if quota is None else quota
        self.by_name = {name: Quota(self, max_concurrent=most) for name in (*names, BACKGROUND)}
        self._most_reserved = reserved

    def of(self, name: str) -> Quota:
        """Return the quota with this name; for an unknown name, the quota of background work."""
        return self.by_name.get(name) or self.by_name[BACKGROUND]

    def reserved(self) -> int:
        """Return how many connections stay free for the quotas that use fewer than their minimum."""
        unmet = sum(max(0, MINIMUM - quota.in_use) for quota in self.by_name.values())
        return min(unmet, self._most_reserved)

    def let_in(self) -> None:
        """Let in the waiting callers of all quotas that may take a connection now, the earliest arrival first."""
        while ready := [quota for quota in self.by_name.values() if quota.first_arrival() < inf and quota.has_room()]:
            min(ready, key=Quota.first_arrival).admit_first()

"""The balance of connections between workers: a worker leaves a connection to a worker with fewer connections.

The kernel wakes all workers for a new connection, and the fastest accepts it. Without the balance one of two idle
workers accepts nearly all connections of a burst, and half of the processors stay idle as long as the clients keep
their connections.
"""

from math import inf
from mmap import mmap

ABSENT = 2**31 - 1
"""The count of a worker that accepts no connections. No real count is as large, so no other worker waits for this
worker."""

SLACK = 8
"""The divisor of the allowed difference: a worker may have an eighth more connections than the worker with the fewest,
and at least one connection more."""

PATIENCE_SECONDS, HURRY_SECONDS = 0.02, 0.05
"""PATIENCE_SECONDS: how long a worker leaves new connections to a worker with fewer, which may be starting or blocked.
HURRY_SECONDS: how long it then accepts all connections, before it leaves connections to the other worker again."""


class ConnectionCounts:
    """The numbers of open connections of all workers, in memory that the workers of one gunicorn share."""

    def __init__(self, workers: int) -> None:
        slots = 2 * workers  # during a reload, the new workers start before the old workers end
        self._counts = memoryview(mmap(-1, 4 * slots)).cast("i")
        self._counts[:] = memoryview(b"\xff\xff\xff\x7f" * slots).cast("i")
        self._worker_ids: list[int | None] = [None] * slots

    def slot_for(self, worker_id: int) -> "WorkerCount":
        """Return the count for a worker that is forked next; without a free slot, a count that no other worker sees."""
        if None not in self._worker_ids:
            return WorkerCount(memoryview(bytearray(4)).cast("i"), 0)
        slot = self._worker_ids.index(None)
        self._worker_ids[slot] = worker_id
        return WorkerCount(self._counts, slot)

    def release(self, worker_id: int) -> None:
        """Free the slot of a worker process that has ended, even by SIGKILL."""
        if worker_id in self._worker_ids:
            slot = self._worker_ids.index(worker_id)
            self._worker_ids[slot], self._counts[slot] = None, ABSENT


class WorkerCount:
    """The number of open connections of this worker, next to the numbers of the other workers."""

    def __init__(self, counts: memoryview, slot: int) -> None:
        self._counts, self._slot = counts, slot
        self._exceeded_since = inf

    def join(self) -> None:
        """Record that this worker accepts connections from now on."""
        self._counts[self._slot] = 0

    def leave(self) -> None:
        """Record that this worker accepts no more connections, so that no other worker waits for this worker."""
        self._counts[self._slot] = ABSENT

    def publish(self, count: int) -> None:
        """Tell the other workers the number of open connections of this worker, unless it accepts no more."""
        if self._counts[self._slot] != ABSENT:
            self._counts[self._slot] = count

    def lost_race(self) -> None:
        """Record that another worker accepted a connection first: it is not blocked, so leave it the next ones too."""
        self._exceeded_since = inf

    def yields(self, count: int, now: float) -> bool:
        """Tell whether this worker should leave a new connection to a worker that has fewer connections.

        Args:
            count: the open connections of this worker.
            now: the current time, in seconds of a monotonic clock.
        """
        self._counts[self._slot] = count
        least = min(self._counts)
        if count <= least + max(1, least // SLACK):
            self._exceeded_since = inf
            return False
        waited = now - min(now, self._exceeded_since)
        if self._exceeded_since == inf or waited > PATIENCE_SECONDS + HURRY_SECONDS:
            self._exceeded_since, waited = now, 0.0
        return waited < PATIENCE_SECONDS

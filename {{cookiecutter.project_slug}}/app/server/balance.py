"""Balances client connections between workers: a worker leaves a new connection to a worker with fewer connections.

The kernel wakes all workers for a new connection, and the fastest worker accepts the connection. Without balancing, one
of two idle workers accepts nearly all connections of a burst, and half of the processors stay idle as long as the
clients keep their connections.
"""

from math import inf
from mmap import mmap

ABSENT = 2**31 - 1
"""The count that stands for a worker which accepts no connections. No real count is as large, so no worker leaves a
connection to that worker."""

STARTING = ABSENT - 1
"""The count that stands for a worker which is starting, and will soon accept connections."""

SLACK = 8
"""The divisor of the allowed difference between the workers: with 8, a worker may have an eighth more connections than
the worker with the fewest connections, and always one connection more."""

PATIENCE_SECONDS, HURRY_SECONDS = 0.02, 0.05
"""PATIENCE_SECONDS: how long a worker leaves new connections to a worker with fewer connections. That worker may be
blocked or still starting, and accept nothing. HURRY_SECONDS: how long the waiting worker then accepts all connections
itself, before it leaves connections to the worker with fewer connections again."""


class ConnectionCounts:
    """The numbers of open client connections of all workers, in memory that the workers of one gunicorn share."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        slots = 2 * workers  # twice as many, as during a reload the new workers start before the old workers end
        self._counts = memoryview(mmap(-1, 4 * slots)).cast("i")
        self._counts[:] = memoryview(b"\xff\xff\xff\x7f" * slots).cast("i")
        self._worker_ids: list[int | None] = [None] * slots

    def slot_for(self, worker_id: int) -> "WorkerCount":
        """Reserve a slot of the shared memory for the connection count of a new worker.

        Without a free slot, return a count that no other worker sees.
        """
        if None not in self._worker_ids:
            return WorkerCount(memoryview(bytearray(4)).cast("i"), 0)
        slot = self._worker_ids.index(None)
        self._worker_ids[slot], self._counts[slot] = worker_id, STARTING
        return WorkerCount(self._counts, slot)

    def release(self, worker_id: int) -> None:
        """Free the slot of the shared memory of a worker process that has ended, even by SIGKILL."""
        if worker_id in self._worker_ids:
            slot = self._worker_ids.index(worker_id)
            self._worker_ids[slot], self._counts[slot] = None, ABSENT


class WorkerCount:
    """This worker's number of open client connections, in the memory that all workers share."""

    def __init__(self, counts: memoryview, slot: int) -> None:
        self._counts, self._slot = counts, slot
        self._exceeded_since = inf

    def join(self) -> None:
        """Record that this worker accepts connections from now on."""
        self._counts[self._slot] = 0

    def leave(self) -> None:
        """Record that this worker accepts no more connections, so that no worker leaves a connection to this worker."""
        self._counts[self._slot] = ABSENT

    def publish(self, count: int) -> None:
        """Store this worker's number of open connections for the other workers, unless this worker accepts no more."""
        if self._counts[self._slot] != ABSENT:
            self._counts[self._slot] = count

    def is_awaited(self) -> bool:
        """Tell whether a different worker is starting, so that this worker should still accept connections."""
        return STARTING in self._counts

    def lost_race(self) -> None:
        """Restart the wait of PATIENCE_SECONDS: the worker that accepted the connection meanwhile is not blocked."""
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

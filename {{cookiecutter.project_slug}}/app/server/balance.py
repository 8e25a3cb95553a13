"""The balance of connections between workers: a worker leaves a connection to a worker with fewer connections.

The kernel wakes all workers for a new connection, and the fastest accepts it. Without the balance one of two idle
workers accepts nearly all connections of a burst, and half of the processors stay idle as long as the clients keep
their connections.
"""

from math import inf
from mmap import mmap

ABSENT = 2**31 - 1
"""The count of a worker that does not listen: more than any worker has."""

SLACK = 8
"""A worker may exceed the smallest count by this part of the count, and by at least one connection."""

PATIENCE_SECONDS, HURRY_SECONDS = 0.02, 0.05
"""How long connections are left to another worker, which may be starting or blocked; then how long they are accepted
without regard to the counts, before the worker is patient again."""


class ConnectionCounts:
    """The open connections of each worker, in memory that all workers of a gunicorn have in common."""

    def __init__(self, workers: int) -> None:
        slots = 2 * workers  # a reload starts the new workers before it ends the old workers
        self._counts = memoryview(mmap(-1, 4 * slots)).cast("i")
        self._counts[:] = memoryview(b"\xff\xff\xff\x7f" * slots).cast("i")
        self._worker_ids: list[int | None] = [None] * slots

    def slot_for(self, worker_id: int) -> "WorkerCount":
        """Return the count of a worker that is about to be forked; it is compared with no other if no slot is free."""
        if None not in self._worker_ids:
            return WorkerCount(memoryview(bytearray(4)).cast("i"), 0)
        slot = self._worker_ids.index(None)
        self._worker_ids[slot] = worker_id
        return WorkerCount(self._counts, slot)

    def release(self, worker_id: int) -> None:
        """Free the slot of a worker that has ended, also by SIGKILL."""
        if worker_id in self._worker_ids:
            slot = self._worker_ids.index(worker_id)
            self._worker_ids[slot], self._counts[slot] = None, ABSENT


class WorkerCount:
    """The count of one worker beside the counts of all workers."""

    def __init__(self, counts: memoryview, slot: int) -> None:
        self._counts, self._slot = counts, slot
        self._exceeded_since = inf

    def join(self) -> None:
        """Note that the worker accepts connections from now on."""
        self._counts[self._slot] = 0

    def leave(self) -> None:
        """Note that the worker accepts no further connection."""
        self._counts[self._slot] = ABSENT

    def lost_race(self) -> None:
        """Note that another worker accepted a connection: it is not blocked, so patience starts anew."""
        self._exceeded_since = inf

    def yields(self, count: int, now: float) -> bool:
        """Tell whether the worker leaves a connection to a worker with fewer connections.

        Args:
            count: the open connections of this worker.
            now: the moment, in seconds of a monotonic clock.
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

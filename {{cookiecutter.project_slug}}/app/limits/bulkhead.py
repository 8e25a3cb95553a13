"""Bulkhead: a semaphore with a bounded FIFO queue. When the queue is full or too slow, `enter` raises Unavailable.

The queue is first in, first out: if new callers could overtake, the longest waits would grow. Load shedding is early:
the bulkhead measures how fast the queue moves, and refuses a new caller at once if the caller's wait would exceed the
timeout.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from math import inf
from time import monotonic

from app.errors import Unavailable
from app.request.deadline import seconds_left

MEMORY = 0.1
"""The weight of the newest value in the moving average of the time between two entries into a bulkhead. The average
covers about the last 20 entries, and estimates the wait of a new caller."""


class Bulkhead:
    """A semaphore with a bounded FIFO queue, for the callers of one resource."""

    def __init__(self, *, max_concurrent: int, max_queue: int, queue_timeout_seconds: float, refusal: str) -> None:
        """Build an empty bulkhead.

        Args:
            max_concurrent: the number of callers inside the bulkhead at the same time.
            max_queue: the number of callers that may wait to enter.
            queue_timeout_seconds: the longest wait of a caller, in seconds.
            refusal: the sentence of the Unavailable error, which clients of the service see.
        """
        self.max_concurrent = max_concurrent
        self.max_queue = max_queue
        self.queue_timeout_seconds = queue_timeout_seconds
        self.in_use = 0
        self.refused = 0
        self.wait_seconds = 0.0
        self.observe_wait: Callable[[float], object] = lambda _seconds: None
        """A hook that is called after each wait in the queue with the seconds of the wait, in the context of the caller
        that waited."""
        self._refusal = refusal
        # maps the future of each waiting caller to the time of arrival, the first caller first
        self._queue: OrderedDict[asyncio.Future[None], float] = OrderedDict()
        self._entered_at = 0.0
        self._interval = 0.0

    @property
    def queued(self) -> int:
        """The number of callers in the queue of the bulkhead."""
        return len(self._queue)

    async def enter(self, within: float = inf) -> None:
        """Enter the bulkhead, after a wait in the queue if the bulkhead is full; the caller must call `leave` later.

        Args:
            within: a limit for this wait, in seconds, if it is shorter than the queue timeout.

        Raises:
            Unavailable: the queue is full or too slow, or the wait reached the timeout.
        """
        if not self.try_enter():
            await self._wait(within)

    def try_enter(self) -> bool:
        """Enter the bulkhead without waiting and return True; return False when the bulkhead is full."""
        if not self.has_room():
            return False
        self._count(1)
        # The bulkhead has a free slot, so the overload is ending. The average time between entries was measured during
        # the overload: reduce the average.
        self._interval *= 1 - MEMORY
        self._entered_at = monotonic()
        return True

    def leave(self) -> None:
        """Leave the bulkhead, and let the first caller of the queue in before any new caller can enter."""
        self._count(-1)
        if self.first_arrival() < inf:
            self.admit_first()
        elif not self.in_use:
            self._interval = 0.0  # the bulkhead is empty: the average time between entries no longer predicts a wait

    def has_room(self) -> bool:
        """Tell whether a caller may enter the bulkhead now, without waiting."""
        return self.in_use < self.max_concurrent

    def first_arrival(self) -> float:
        """Return when the first caller of the queue arrived, by the monotonic clock; infinity for an empty queue."""
        while self._queue:
            turn = next(iter(self._queue))
            if not turn.done():
                return self._queue[turn]
            del self._queue[turn]  # this caller was cancelled while it waited
        return inf

    def admit_first(self) -> None:
        """Let the first waiting caller in; call this only after `first_arrival` has found a waiting caller."""
        turn, _ = self._queue.popitem(last=False)
        self._count(1)
        turn.set_result(None)

    def _count(self, change: int) -> None:
        self.in_use += change

    async def _wait(self, within: float) -> None:
        seconds = seconds_left(min(self.queue_timeout_seconds, within))
        if len(self._queue) >= self.max_queue or self._expected_wait() > seconds:
            raise self._refused()
        turn = asyncio.get_running_loop().create_future()
        self._queue[turn] = began = monotonic()
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            self._step_out(turn)
            if isinstance(error, TimeoutError):
                raise self._refused() from None
            raise
        finally:
            now = monotonic()
            self.wait_seconds += now - began
            self.observe_wait(now - began)
        self._interval += (now - self._entered_at - self._interval) * MEMORY
        self._entered_at = now

    def _step_out(self, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self.leave()  # the wait was cancelled or timed out just after this caller was let in: free the slot
        self._queue.pop(turn, None)

    def _expected_wait(self) -> float:
        """Estimate the wait of a new caller in seconds, from the queue and the average time between two entries.

        When no caller has entered for a long time, the queue is stuck, and the estimate uses the time since the last
        entry instead of the average.
        """
        stuck = (monotonic() - self._entered_at) / self.max_concurrent
        return (len(self._queue) + 1) * max(self._interval, stuck)

    def _refused(self) -> Unavailable:
        self.refused += 1
        return Unavailable(self._refusal)

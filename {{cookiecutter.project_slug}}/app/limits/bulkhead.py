"""Bulkhead: a semaphore with a bounded FIFO queue. When the queue is full or too slow, `enter` raises Unavailable.

The queue is first in, first out: if newcomers could overtake, the longest waits would grow. Load shedding is early:
the bulkhead measures how fast the queue moves, and refuses a caller at once whose wait would reach the timeout.
"""

import asyncio
from collections import OrderedDict
from math import inf
from time import monotonic

from app.errors import Unavailable
from app.request.deadline import seconds_left

MEMORY = 0.1
"""The weight of the newest interval in the moving average of the seconds between two entries into a bulkhead: about
the last 20 entries count."""


class Bulkhead:
    """A semaphore with a bounded FIFO queue, for the callers of one resource."""

    def __init__(self, *, max_concurrent: int, max_queue: int, queue_timeout_seconds: float, refusal: str) -> None:
        """Build an empty bulkhead.

        Args:
            max_concurrent: callers inside the bulkhead at the same time.
            max_queue: callers that may wait to enter.
            queue_timeout_seconds: the longest wait of a caller, in seconds.
            refusal: the sentence of the Unavailable error, for clients.
        """
        self.max_concurrent = max_concurrent
        self.max_queue = max_queue
        self.queue_timeout_seconds = queue_timeout_seconds
        self.in_use = 0
        self.refused = 0
        self._refusal = refusal
        self._queue: OrderedDict[asyncio.Future[None], float] = OrderedDict()  # with the times of arrival
        self._entered_at = 0.0
        self._interval = 0.0

    @property
    def queued(self) -> int:
        """The number of callers in the queue of the bulkhead."""
        return len(self._queue)

    async def enter(self, within: float = inf) -> None:
        """Enter the bulkhead, after waiting in the queue if need be; the caller must call `leave` at the end.

        Args:
            within: the longest wait in seconds, when it is shorter than the queue timeout.

        Raises:
            Unavailable: the queue is full or too slow, or the wait reached its timeout.
        """
        if not self.try_enter():
            await self._wait(within)

    def try_enter(self) -> bool:
        """Enter the bulkhead without waiting and return True; return False when the bulkhead is full."""
        if not self.has_room():
            return False
        self._count(1)
        self._interval *= 1 - MEMORY  # a slot is free: the average from when the bulkhead was full fades
        self._entered_at = monotonic()
        return True

    def leave(self) -> None:
        """Leave the bulkhead, and let the first caller of the queue in, before any newcomer can enter."""
        self._count(-1)
        if self.first_arrival() < inf:
            self.admit_first()
        elif not self.in_use:
            self._interval = 0.0  # no call is left: the average time between two entries no longer holds

    def has_room(self) -> bool:
        """Tell whether a caller may enter now."""
        return self.in_use < self.max_concurrent

    def first_arrival(self) -> float:
        """Return when the first caller of the queue arrived, by the monotonic clock; infinity for an empty queue."""
        while self._queue:
            turn = next(iter(self._queue))
            if not turn.done():
                return self._queue[turn]
            del self._queue[turn]  # this caller was cancelled, and has not run since
        return inf

    def admit_first(self) -> None:
        """Let the first caller of the queue in; `first_arrival` must have found a caller."""
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
        self._queue[turn] = monotonic()
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            self._step_out(turn)
            if isinstance(error, TimeoutError):
                raise self._refused() from None
            raise
        now = monotonic()
        self._interval += (now - self._entered_at - self._interval) * MEMORY
        self._entered_at = now

    def _step_out(self, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self.leave()  # this caller was let in just when the wait was cut off: pass the slot on
        self._queue.pop(turn, None)

    def _expected_wait(self) -> float:
        """Return the expected wait of a newcomer in seconds: by the average interval, longer if the queue is stuck."""
        stuck = (monotonic() - self._entered_at) / self.max_concurrent
        return (len(self._queue) + 1) * max(self._interval, stuck)

    def _refused(self) -> Unavailable:
        self.refused += 1
        return Unavailable(self._refusal)

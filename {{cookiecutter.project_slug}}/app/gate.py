"""A bulkhead: so many at once, so many waiting, for so long; whoever is beyond that is refused at once.

First come, first served: a queue that newcomers can jump makes the slowest wait longest. And nobody waits in vain: the
gate knows how fast its queue moves, and refuses at once whoever would still be waiting at the end of the time.
"""

import asyncio
from collections import deque
from contextlib import suppress
from math import inf
from time import monotonic

from app.deadline import seconds_left
from app.errors import Unavailable

MEMORY = 0.1
"""The weight of the newest interval in the mean of those between two entries; about the last twenty count."""


class Gate:
    """A bounded number of places with a bounded queue in front."""

    def __init__(self, *, places: int, max_waiting: int, max_wait_seconds: float, refusal: str) -> None:
        self.places = places
        self.max_waiting = max_waiting
        self.max_wait_seconds = max_wait_seconds
        self.in_use = 0
        self.refused = 0
        self._refusal = refusal
        self._queue: deque[asyncio.Future[None]] = deque()
        self._entered_at = 0.0  # when somebody last took a place
        self._interval = 0.0

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        return len(self._queue)

    async def enter(self, within: float = inf) -> None:
        """Take a place, waiting for one if need be, for no more than so many seconds.

        Raises:
            Unavailable: the queue is full or too slow, or no place came free in time.
        """
        if not self.enter_now():
            await self._wait(within)

    def enter_now(self) -> bool:
        """Take a place if one is free, and tell; while somebody waits none is."""
        if self.in_use >= self.places:
            return False
        self.in_use += 1
        self._interval *= 1 - MEMORY  # there is room again: what was learnt while it was stuck is forgotten
        self._entered_at = monotonic()
        return True

    def leave(self) -> None:
        """Give the place back: to whoever has waited longest, so that no newcomer can take it."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_use -= 1
        if not self.in_use:
            self._interval = 0.0  # nothing goes on: what was learnt says nothing about who comes next

    async def _wait(self, within: float) -> None:
        seconds = seconds_left(min(self.max_wait_seconds, within))
        if len(self._queue) >= self.max_waiting or self._expected_wait() > seconds:
            raise self._refused()
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
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
            self.leave()  # the place came in the very moment in which the wait ended
            return
        with suppress(ValueError):  # `leave` met it first
            self._queue.remove(turn)

    def _expected_wait(self) -> float:
        """Return the seconds until a newcomer would enter: the mean so far, or longer when nothing has moved lately."""
        stuck = (monotonic() - self._entered_at) / self.places
        return (len(self._queue) + 1) * max(self._interval, stuck)

    def _refused(self) -> Unavailable:
        self.refused += 1
        return Unavailable(self._refusal)

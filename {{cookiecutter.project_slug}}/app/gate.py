"""A bulkhead: so many at once, so many waiting, for so long; whoever is beyond that is refused at once.

First come, first served: a queue that newcomers can jump makes the slowest wait longest. And nobody waits in vain: the
gate knows how fast its queue moves, and refuses at once whoever would still be waiting at the end of the time.
"""

import asyncio
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
        self.waiting = 0
        self.in_use = 0
        self.refused = 0
        self._refusal = refusal
        self._free = asyncio.Semaphore(places)  # wakes its waiters in the order in which they came
        self._entered_at = 0.0  # when somebody last took a place
        self._interval = 0.0

    async def enter(self) -> None:
        """Take a place, waiting for one if need be.

        Raises:
            Unavailable: the queue is full or too slow, or no place came free in time.
        """
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()  # does not wait
            self._interval *= 1 - MEMORY  # there is room again: what was learnt while it was stuck is forgotten
            self._entered_at = monotonic()
        self.in_use += 1

    def leave(self) -> None:
        """Give the place back."""
        self.in_use -= 1
        self._free.release()

    async def _wait(self) -> None:
        seconds = seconds_left(self.max_wait_seconds)
        if self.waiting >= self.max_waiting or self._expected_wait() > seconds:
            raise self._refused()
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise self._refused() from None
        finally:
            self.waiting -= 1
        now = monotonic()
        self._interval += (now - self._entered_at - self._interval) * MEMORY
        self._entered_at = now

    def _expected_wait(self) -> float:
        """Return the seconds until a newcomer would enter: the mean so far, or longer when nothing has moved lately."""
        stuck = (monotonic() - self._entered_at) / self.places
        return (self.waiting + 1) * max(self._interval, stuck)

    def _refused(self) -> Unavailable:
        self.refused += 1
        return Unavailable(self._refusal)

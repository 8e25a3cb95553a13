"""A bulkhead: so many at once, so many waiting, for so long; whoever is beyond that is refused at once.

First come, first served: a queue that newcomers can jump makes the slowest wait longest.
"""

import asyncio

from app.errors import Unavailable


class Gate:
    """A bounded number of places with a bounded queue in front."""

    def __init__(self, *, places: int, max_waiting: int, max_wait_seconds: float, refusal: str) -> None:
        self.places = places
        self.max_waiting = max_waiting
        self.max_wait_seconds = max_wait_seconds
        self.waiting = 0
        self.in_use = 0
        self._refusal = refusal
        self._free = asyncio.Semaphore(places)  # wakes its waiters in the order in which they came

    async def enter(self) -> None:
        """Take a place, waiting for one if need be.

        Raises:
            Unavailable: the queue is full, or no place came free in time.
        """
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()  # does not wait
        self.in_use += 1

    def leave(self) -> None:
        """Give the place back."""
        self.in_use -= 1
        self._free.release()

    async def _wait(self) -> None:
        if self.waiting >= self.max_waiting:
            raise Unavailable(self._refusal)
        self.waiting += 1
        try:
            async with asyncio.timeout(self.max_wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(self._refusal) from None
        finally:
            self.waiting -= 1

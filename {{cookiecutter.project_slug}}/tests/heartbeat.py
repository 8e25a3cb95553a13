"""Measures how the event loop turns while something else goes on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter


@dataclass(slots=True)
class Heartbeat:
    """Beats as often as the loop lets it."""

    seconds: float = 0.0
    largest_gap: float = 0.0

    @property
    def share(self) -> float:
        """The longest time without a beat, as a share of the whole: 1 is a loop that stood still."""
        return self.largest_gap / self.seconds


@asynccontextmanager
async def heartbeat() -> AsyncGenerator[Heartbeat]:
    """Beat until the block ends."""
    beat = Heartbeat()

    async def run() -> None:
        last = perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = perf_counter()
            beat.largest_gap, last = max(beat.largest_gap, now - last), now

    beating = asyncio.create_task(run())
    await asyncio.sleep(0.01)
    start = perf_counter()
    yield beat
    beat.seconds = perf_counter() - start
    await asyncio.sleep(0.01)
    beating.cancel()

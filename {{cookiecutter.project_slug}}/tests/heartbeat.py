"""Heartbeat: a task measures how long the event loop stands still while a test does CPU work or waits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter


@dataclass(slots=True)
class Heartbeat:
    """The wake-ups of a task that sleeps for 1 ms again and again: a long gap means a blocked event loop."""

    seconds: float = 0.0
    count: int = 0
    """The number of times that the sleeping task woke up while the measured block ran."""
    largest_gap: float = 0.0

    @property
    def stalled_fraction(self) -> float:
        """The longest time without a wake-up as a fraction of the measured time: 1 is a loop that stood still."""
        return self.largest_gap / self.seconds


@asynccontextmanager
async def heartbeat() -> AsyncGenerator[Heartbeat]:
    """Measure how long the event loop stands still during the `async with` block, and yield the measurement."""
    beat = Heartbeat()

    async def run() -> None:
        last = perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = perf_counter()
            beat.largest_gap, last = max(beat.largest_gap, now - last), now
            beat.count += 1

    beating = asyncio.create_task(run())
    await asyncio.sleep(0.01)
    start, beat.count = perf_counter(), 0
    yield beat
    beat.seconds, count = perf_counter() - start, beat.count
    await asyncio.sleep(0.01)  # lets the task wake up once more, so that a gap at the end of the block is measured too
    beat.count = count
    beating.cancel()

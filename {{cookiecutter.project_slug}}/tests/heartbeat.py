"""Measures how long the event loop is blocked while a test computes or waits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter


@dataclass(slots=True)
class Heartbeat:
    """The wake-ups of a task that repeatedly sleeps for 1 ms: a long gap means a blocked event loop."""

    seconds: float = 0.0
    count: int = 0
    """How often the sleeping task woke up during the measured block."""
    largest_gap: float = 0.0

    @property
    def stalled_fraction(self) -> float:
        """The longest gap between wake-ups as a fraction of the measured time; 1: the loop was always blocked."""
        return self.largest_gap / self.seconds


@asynccontextmanager
async def heartbeat() -> AsyncGenerator[Heartbeat]:
    """Measure how long the event loop is blocked during the `async with` block, and yield the measurement."""
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
    await asyncio.sleep(0.01)  # the task wakes up once more, so that a gap at the end of the block is measured too
    beat.count = count
    beating.cancel()

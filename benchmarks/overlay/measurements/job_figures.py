"""Measures the figures of a job queue, in the same way for each queue, and writes the figures as JSON."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median

JOBS = 2000
CONCURRENT = 40
PAIRS = 300
STARTS = 100
PAUSE_SECONDS = 0.05


class Engine(ABC):
    """The interface of a job queue for the measurement, with a single kind of job, whose function calls `ran`."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._called = asyncio.Event()

    def ran(self) -> None:
        """Record the time at which a job runs."""
        self.times.append(time.perf_counter())
        self._called.set()

    @abstractmethod
    async def write(self, *, with_job: bool) -> None:
        """Write a row, and enqueue a job for this row: in the same transaction if the queue can do so."""

    @abstractmethod
    async def enqueue_many(self, jobs: int) -> None:
        """Enqueue jobs as fast as the queue can."""

    @abstractmethod
    def working(self) -> AbstractAsyncContextManager[object]:
        """Run a worker of the queue in this process, with `CONCURRENT` concurrent jobs."""

    async def statements(self) -> int:
        """Return how many SQL statements an enqueue adds to a transaction, or 0 if the queue cannot count these."""
        return 0

    async def calls(self, number: int) -> None:
        """Wait until the functions of `number` jobs have run."""
        while len(self.times) < number:
            self._called.clear()
            await self._called.wait()

    async def is_done(self, number: int) -> None:
        """Wait until the queue has stored the end of `number` jobs; by default, until that many jobs have run."""
        await self.calls(number)


async def measure(engine: Engine, file: str) -> None:
    """Measure a job queue, and write the figures into a file."""
    costs: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(PAIRS):
        for with_job in (False, True):
            begin = time.perf_counter()
            await engine.write(with_job=with_job)
            costs[with_job].append(time.perf_counter() - begin)
    async with engine.working():
        await engine.is_done(PAIRS)
    engine.times.clear()
    await engine.enqueue_many(JOBS)
    async with engine.working():
        await engine.is_done(JOBS)
        drained = time.perf_counter() - engine.times[0]
        waits = [await start(engine) for _ in range(STARTS)]
    figures = {
        "enqueue_ms": 1000 * (median(costs[True]) - median(costs[False])),
        "jobs_per_second": JOBS / drained,
        "start_ms": 1000 * median(waits),
        "statements": await engine.statements(),
    }
    await asyncio.to_thread(Path(file).write_text, json.dumps(figures), "utf-8")


async def start(engine: Engine) -> float:
    """Measure the seconds from the commit of a job to the job's run, on a worker without other jobs."""
    await asyncio.sleep(PAUSE_SECONDS)
    engine.times.clear()
    await engine.write(with_job=True)
    committed = time.perf_counter()
    async with asyncio.timeout(60):
        await engine.calls(1)
    return engine.times[0] - committed

"""Measures the resident memory of a service's workers, read from /proc."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.server.processes import Service


def megabytes(service: Service) -> float:
    """Return the resident memory of all of a service's workers together, in megabytes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) for pid in service.workers())
    return pages * 4096 / 1e6


@asynccontextmanager
async def memory_growth(service: Service) -> AsyncGenerator[list[float]]:
    """Sample the workers' memory every 50 ms during the block, as megabytes above the memory at the start."""
    before, grown = megabytes(service), [0.0]

    async def sample() -> None:
        while True:
            await asyncio.sleep(0.05)
            grown.append(megabytes(service) - before)

    async with asyncio.TaskGroup() as group:
        sampling = group.create_task(sample())
        yield grown
        sampling.cancel()

"""What the workers of a service hold in memory, read from /proc."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.server.processes import Service


def megabytes(service: Service) -> float:
    """Return the resident memory of the workers."""
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text("ascii").split()
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) for pid in children)
    return pages * 4096 / 1e6


@asynccontextmanager
async def growth(service: Service) -> AsyncGenerator[list[float]]:
    """Yield a list that gets what the memory grows by, in megabytes, again and again while the block runs."""
    before, grown = megabytes(service), [0.0]

    async def look() -> None:
        while True:
            await asyncio.sleep(0.05)
            grown.append(megabytes(service) - before)

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        yield grown
        looking.cancel()

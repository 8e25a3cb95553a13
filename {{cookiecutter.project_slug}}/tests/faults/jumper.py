"""Who lets the wall clock of a service jump, and sees what it does then; the service is that of `clock/jumping.py`."""

import asyncio
from time import perf_counter

import asyncpg

from app.downstreams.client import httpx
from tests.server.processes import Service

LATE_SECONDS = 2.0
"""How much later something may end than it should, on a busy machine; the jump is an hour."""


class Jumper:
    """A client of the service, and its database."""

    def __init__(self, service: Service, url: str, neighbour: int, client: httpx.AsyncClient) -> None:
        self.service, self.url, self.neighbour, self.client = service, url, neighbour, client

    async def jump(self, seconds: float) -> None:
        """Let the wall clock of the worker jump."""
        before = float((await self.client.post("/jump?seconds=0")).text)
        after = float((await self.client.post("/jump", params={"seconds": seconds})).text)

        assert abs(after - before - seconds) < LATE_SECONDS

    async def become(self, behaviour: str) -> None:
        """Let the neighbour do something else."""
        await self.client.get(f"http://127.0.0.1:{self.neighbour}/become/{behaviour}")

    async def run(self, statement: str) -> None:
        """Run a statement on the database."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(statement)
        await connection.close()

    async def status(self, path: str) -> int:
        """Return that of a GET."""
        return (await self.client.get(path)).status_code

    async def title(self, path: str) -> str:
        """Return what a failure is called."""
        return str((await self.client.get(path)).json()["title"])

    async def seconds_until(self, path: str, status: int) -> float:
        """Ask again and again until this is the answer; an hour would be too long."""
        started = perf_counter()
        async with asyncio.timeout(10):
            while await self.status(path) != status:  # noqa: ASYNC110 - it is a service that has no event for us
                await asyncio.sleep(0.05)
        return perf_counter() - started

"""A client of `clock/clock_app.py`: makes the service's wall clock jump, and waits for the reactions."""

import asyncio

import asyncpg

from tests.http_client import httpx
from tests.server.processes import Service

JUMP_SECONDS = 3600.0
"""The jump of the wall clock in seconds, far longer than every timeout and lifetime of the tests."""

PATIENCE_SECONDS = 60.0
"""The timeout of every wait of a test, in seconds. A wait takes about two seconds, or an hour if the service measures
a duration by the wall clock that jumped."""


class ClockClient:
    """A client of the service that also runs SQL on its database and selects the downstream's behaviour."""

    def __init__(self, service: Service, url: str, downstream: int, client: httpx.AsyncClient) -> None:
        self.service, self.url, self.downstream, self.client = service, url, downstream, client

    async def jump(self, seconds: float) -> None:
        """Make the worker's wall clock jump by `seconds`, and check that it has moved."""
        before = float((await self.client.post("/jump?seconds=0")).text)
        after = float((await self.client.post("/jump", params={"seconds": seconds})).text)

        assert abs(after - before - seconds) < PATIENCE_SECONDS

    async def become(self, behaviour: str) -> None:
        """Make the downstream behave as named from now on, such as `fail`; see tests/downstreams/faulty_server.py."""
        await self.client.get(f"http://127.0.0.1:{self.downstream}/become/{behaviour}")

    async def execute(self, statement: str) -> None:
        """Run SQL on the service's database, on a separate connection."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(statement)
        await connection.close()

    async def status(self, path: str) -> int:
        """Send a GET request to the service, and return the status of the response."""
        return (await self.client.get(path)).status_code

    async def code(self, path: str) -> str:
        """Send a GET request that fails, and return the `code` of the problem response."""
        return str((await self.client.get(path)).json()["code"])

    async def until(self, path: str, status: int) -> None:
        """Repeat a GET request until the response has this status.

        Raises:
            TimeoutError: no response had the status, since the service measured a duration by the wall clock.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.status(path) != status:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                await asyncio.sleep(0.05)

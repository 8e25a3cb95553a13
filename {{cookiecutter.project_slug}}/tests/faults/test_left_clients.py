"""Two hundred clients leave while their queries run: nothing of theirs stays behind, here or on the server."""

import asyncio
import sys
from collections.abc import Iterator
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from app.downstreams.client import httpx
from tests.faults.orphans import orphans
from tests.server.processes import Service, gunicorn

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
]

LEAVING = 200
STATEMENT_SECONDS = 2.5


@pytest.fixture
def service(committed_url: str) -> Iterator[Service]:
    """The service with one worker."""
    arguments = ("--pythonpath=tests/faults", "slow:app")
    with gunicorn(committed_url, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error") as running:
        running.wait_until_serving()
        yield running


async def ask_and_leave(url: str) -> None:
    address = urlsplit(url)
    _reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"GET /slow?seconds=9 HTTP/1.1\r\nHost: service\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()


async def busy(client: httpx.AsyncClient) -> bool:
    gates = (await client.get("/health/ready?verbose")).json()["gates"]
    return any(gate["in_use"] or gate["waiting"] for gate in gates.values())


async def test_nothing_of_theirs_stays_behind(service: Service, committed_url: str) -> None:
    await asyncio.gather(*(ask_and_leave(service.url) for _ in range(LEAVING)))
    left = perf_counter()
    during = await orphans(committed_url)
    while await orphans(committed_url):
        assert perf_counter() - left < STATEMENT_SECONDS + 1
        await asyncio.sleep(0.1)
    async with httpx.AsyncClient(base_url=service.url) as client:
        async with asyncio.timeout(5):
            while await busy(client):  # noqa: ASYNC110 - a gate of another process sets no event
                await asyncio.sleep(0.05)
        answers = [await client.get("/slow?seconds=0") for _ in range(20)]

    assert during > 0
    assert {answer.status_code for answer in answers} == {200}

"""Two hundred clients disconnect during slow queries: the service ends every request and cancels every statement."""

import asyncio
import sys
from collections.abc import Iterator
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from tests.faults.bulkheads import until_idle
from tests.faults.running_statements import running_statements
from tests.http_client import httpx
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

CLIENTS = 200
STATEMENT_SECONDS = 9
"""The seconds that each statement takes unless it is cancelled; a disconnect must end it much earlier."""

PATIENCE_SECONDS = 30
"""How long to wait for the first running statement, in seconds: far longer than a busy machine needs."""


@pytest.fixture
def service(committed_url: str) -> Iterator[Service]:
    """The service of `slow_app.py` with one worker, which logs errors only."""
    arguments = ("--pythonpath=tests/smoke", "slow_app:app")
    with gunicorn(committed_url, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error") as running:
        running.wait_until_serving()
        yield running


async def ask(url: str) -> asyncio.StreamWriter:
    address = urlsplit(url)
    _reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET /slow?seconds={STATEMENT_SECONDS} HTTP/1.1\r\nHost: service\r\n\r\n".encode())
    await writer.drain()
    return writer


async def test_disconnected_clients_leave_no_statement_and_no_request_behind(
    service: Service, committed_url: str
) -> None:
    started = perf_counter()
    connections = await asyncio.gather(*(ask(service.url) for _ in range(CLIENTS)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await running_statements(committed_url):  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
            await asyncio.sleep(0.02)
    for connection in connections:
        connection.close()
    while await running_statements(committed_url):
        assert perf_counter() - started < STATEMENT_SECONDS - 1
        await asyncio.sleep(0.1)
    await until_idle(service.management)
    async with httpx.AsyncClient(base_url=service.url) as client:
        answers = [await client.get("/slow?seconds=0") for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}

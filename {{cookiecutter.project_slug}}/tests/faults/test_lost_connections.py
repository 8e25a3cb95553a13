"""PostgreSQL closes connections whose reads wait for a lock: each read is retried, and no pool connection is lost."""

import asyncio
import sys
from collections.abc import Iterator

import asyncpg
import pytest

from tests.faults.items_table import SCHEMA, execute, items_service, locked
from tests.http_client import httpx
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

READS = 4
"""The number of concurrent reads: one for each database connection of the route group."""

WAITING = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

PATIENCE_SECONDS = 30
"""How long to wait for the reads, in seconds; each read reaches its lock within milliseconds."""


@pytest.fixture
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service of `items_app.py`, and the URL of the database with the table `items`."""
    with items_service(server_url, template, LOG_LEVEL="info") as (service, url):
        asyncio.run(execute(url, SCHEMA))
        yield service, url


async def close_waiting(url: str) -> None:
    """Wait until READS statements wait for a lock, then close their connections.

    Raises:
        TimeoutError: fewer statements than READS waited for a lock.
    """
    connection = await asyncpg.connect(url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval(f"SELECT count(*) {WAITING}") < READS:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
            await asyncio.sleep(0.02)
    await connection.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")
    await connection.close()


async def test_a_read_whose_connection_is_closed_runs_again(running: tuple[Service, str]) -> None:
    service, url = running
    async with httpx.AsyncClient(base_url=service.url) as client:
        first = await client.get("/items/1")  # from the second run on, the SELECT bypasses SQLAlchemy
        async with locked(url):
            reads = [asyncio.create_task(client.get("/items/1")) for _ in range(READS)]
            await close_waiting(url)
        answers = [first, *await asyncio.gather(*reads), *[await client.get("/items/1") for _ in range(5 * READS)]]

    assert {answer.status_code for answer in answers} == {200}
    assert service.lines("read retried on a stale connection")

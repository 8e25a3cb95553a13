"""A migration while the service runs: columns change under load, or a table is held for longer than anybody waits."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from app.downstreams.client import httpx
from tests.faults.clients import Client, for_a_while, late, undisturbed
from tests.faults.things import SCHEMA, run, things
from tests.faults.timeline import mark
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

CHANGES = ["name TYPE varchar(50)", "size TYPE bigint", "name TYPE text", "size TYPE integer"]
APART_SECONDS = 0.3
LOCKED_SECONDS = 6.0
REFUSED_SECONDS = 3.25
"""Up to 0.25 s to be admitted, 1 s for a connection, 1.5 s for the lock, and 0.5 s for a busy machine."""

LOCK_NOT_AVAILABLE = "55P03"
"""And not that the statement took too long, which is the next limit."""

PAUSE_SECONDS = 0.05
"""After a 503, as a polite client does."""


@pytest.fixture
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service and its database."""
    with things(server_url, template, LOG_LEVEL="info") as (service, url):
        asyncio.run(run(url, SCHEMA))
        yield service, url


async def read(client: Client) -> None:
    if await client.ask("/things/1") == 503:
        await asyncio.sleep(PAUSE_SECONDS)


async def write(client: Client) -> None:
    await client.ask("/things/2/name", method="PUT")
    await asyncio.sleep(PAUSE_SECONDS)


async def read_elsewhere(client: Client) -> None:
    await client.ask("/elsewhere")
    await asyncio.sleep(0.02)


async def ask_live(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.02)


async def change(url: str) -> None:
    """Change the table's columns, one after the other."""
    for column in CHANGES:
        await asyncio.sleep(APART_SECONDS)
        await run(url, f"ALTER TABLE things ALTER COLUMN {column}")


@asynccontextmanager
async def locked(url: str) -> AsyncGenerator[None]:
    """Hold the whole table, as a migration does that rewrites it."""
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE things IN ACCESS EXCLUSIVE MODE")
        yield
    await connection.close()


async def test_reads_survive_that_a_column_gets_another_type(running: tuple[Service, str]) -> None:
    service, url = running
    seconds = APART_SECONDS * (len(CHANGES) + 1)

    async def measure() -> dict[str, float]:
        reads, writes, elsewhere, _ = await asyncio.gather(
            for_a_while(service.url, 20, seconds, read),
            for_a_while(service.url, 3, seconds, write),
            for_a_while(service.url, 5, seconds, read_elsewhere),
            change(url),
        )

        assert set(reads.seconds) == set(elsewhere.seconds) == {200}
        assert set(writes.seconds) <= {200, 503}
        assert reads.resets + writes.resets + elsewhere.resets == 0
        return late(elsewhere=(elsewhere.at(0.99, 200), 0.5))

    assert await undisturbed(measure) == {}


async def test_a_write_that_meets_another_type_is_told_to_come_again(running: tuple[Service, str]) -> None:
    service, url = running
    async with httpx.AsyncClient(base_url=service.url) as client:
        before = await client.put("/things/2/name")
        await run(url, f"ALTER TABLE things ALTER COLUMN {CHANGES[0]}")
        met, after = [await client.put("/things/2/name") for _ in range(2)]

    assert [answer.status_code for answer in (before, met, after)] == [200, 503, 200]
    assert met.headers["retry-after"] == "1"
    assert met.json()["detail"] == "The transaction met another one. Try again."


async def test_a_locked_table_costs_its_own_callers_and_nobody_else(running: tuple[Service, str]) -> None:
    service, url = running

    async def measure() -> dict[str, float]:
        refused = len(service.lines("database refused"))
        mark("the table is locked")
        async with locked(url):
            asked, elsewhere, live = await asyncio.gather(
                for_a_while(service.url, 50, LOCKED_SECONDS, read),
                for_a_while(service.url, 5, LOCKED_SECONDS, read_elsewhere),
                for_a_while(service.url, 1, LOCKED_SECONDS, ask_live),
            )
        mark("it is free again")
        after = await for_a_while(service.url, 10, 0.5, read)
        gates = httpx.get(f"{service.url}/health/ready?verbose").json()["gates"]

        assert {line["sqlstate"] for line in service.lines("database refused")[refused:]} == {LOCK_NOT_AVAILABLE}
        assert set(asked.seconds) <= {503, 504}
        assert set(elsewhere.seconds) == set(live.seconds) == set(after.seconds) == {200}
        assert asked.resets + elsewhere.resets + live.resets + after.resets == 0
        assert {(gate["in_use"], gate["waiting"]) for gate in gates.values()} == {(0, 0)}
        return late(
            last_answer=(asked.at(1.0, 503, 504), REFUSED_SECONDS),
            elsewhere=(elsewhere.at(0.99, 200), 0.5),
            live=(live.at(0.99, 200), 0.5),
            after=(after.at(0.99, 200), 0.5),
        )

    assert await undisturbed(measure) == {}

"""Migrations while the service runs: reads survive a changed type, and a locked table costs only the requests to it."""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from app.settings.route_groups import RouteGroup
from tests.faults.bulkheads import until_idle
from tests.faults.clients import Client, for_a_while, late, undisturbed
from tests.faults.items_table import SCHEMA, execute, items_service, locked
from tests.faults.refusals import MOST_REFUSED, refused_ratio
from tests.http_client import httpx
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

CHANGES = ["name TYPE varchar(50)", "size TYPE bigint", "name TYPE text", "size TYPE integer"]
"""Column changes that the test makes in turn; each change invalidates the prepared statements that read the column."""

NEW_TYPE = """
    ALTER TYPE colour RENAME TO old_colour;
    CREATE TYPE colour AS ENUM ('red', 'blue', 'green');
    ALTER TABLE coloured_items ALTER COLUMN colour TYPE colour USING colour::text::colour
"""
"""A migration that removes a value of an enum type, or reorders the values; a later migration may drop the old type."""

APART_SECONDS = 0.3
"""The pause before each column change, in seconds, in which requests prepare the statements again."""

LOCKED_SECONDS = 6.0
"""How long the table is locked, in seconds: longer than the lock timeout (1.5 s) and the deadline (4 s)."""

DEADLINE_SECONDS = RouteGroup().deadline_seconds
"""The bound on the slowest refusal with a locked table, in seconds: queue timeout (1 s) and lock timeout pass earlier.
"""

OTHER_SECONDS = 1.0
"""The bound on the 99th percentile of the routes that do not use the locked table, in seconds: ten times the
measured value."""

LOCK_NOT_AVAILABLE = "55P03"
"""The SQLSTATE of a statement that the lock timeout ends; the later statement timeout would give 57014."""

PAUSE_SECONDS = 0.05
"""The pause of a client after a 503, in seconds, so that refused requests do not use up the CPUs."""


@pytest.fixture
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service of `items_app.py`, and the URL of the database with the table `items`."""
    with items_service(server_url, template, LOG_LEVEL="info") as (service, url):
        asyncio.run(execute(url, SCHEMA))
        yield service, url


async def read(client: Client) -> None:
    """Read an item without SQLAlchemy, then through SQLAlchemy."""
    for kind in ("columns", "text"):
        if await client.ask(f"/items/1?kind={kind}") == 503:
            await asyncio.sleep(PAUSE_SECONDS)


async def write(client: Client) -> None:
    await client.ask("/items/2/name", method="PUT")
    await asyncio.sleep(PAUSE_SECONDS)


async def read_colour(client: Client) -> None:
    for kind in ("columns", "text"):
        await client.ask(f"/colours/red?kind={kind}")


async def read_unlocked(client: Client) -> None:
    await client.ask("/unlocked-items")
    await asyncio.sleep(0.02)


async def ask_live(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.02)


async def change(url: str) -> None:
    """Change the column types of the table `items` one after another, as migrations do."""
    for column in CHANGES:
        await asyncio.sleep(APART_SECONDS)
        await execute(url, f"ALTER TABLE items ALTER COLUMN {column}")


async def recreate_type(url: str, last: str) -> None:
    """Recreate the enum type `colour` after a pause, in which requests prepare statements with the old type."""
    await asyncio.sleep(APART_SECONDS)
    await execute(url, NEW_TYPE + last)


async def test_reads_survive_a_change_of_a_column_type(running: tuple[Service, str]) -> None:
    service, url = running
    seconds = APART_SECONDS * (len(CHANGES) + 1)

    async def measure() -> dict[str, float]:
        reads, writes, unlocked, _ = await asyncio.gather(
            for_a_while(service.url, 20, seconds, read),
            for_a_while(service.url, 3, seconds, write),
            for_a_while(service.url, 5, seconds, read_unlocked),
            change(url),
        )

        assert set(reads.seconds) == set(unlocked.seconds) == {200}
        assert set(writes.seconds) <= {200, 503}
        assert reads.resets + writes.resets + unlocked.resets == 0
        return late(unlocked=(unlocked.at(0.99, 200), OTHER_SECONDS))

    assert await undisturbed(measure) == {}


async def test_a_write_on_a_stale_statement_is_503_and_the_next_is_200(running: tuple[Service, str]) -> None:
    service, url = running
    async with httpx.AsyncClient(base_url=service.url) as client:
        before = await client.put("/items/2/name")
        await execute(url, f"ALTER TABLE items ALTER COLUMN {CHANGES[0]}")
        stale, after = [await client.put("/items/2/name") for _ in range(2)]

    assert [answer.status_code for answer in (before, stale, after)] == [200, 503, 200]
    assert stale.headers["retry-after"] == "1"
    assert stale.json()["detail"] == "The transaction conflicted with a concurrent transaction. Try again."


@pytest.mark.parametrize("last", ["", "; DROP TYPE old_colour"], ids=["the old type stays", "the old type is dropped"])
async def test_reads_survive_a_recreated_type(running: tuple[Service, str], last: str) -> None:
    """Prepared statements refer to a type by its id, which changes when a migration drops and recreates the type."""
    service, url = running
    reads, _ = await asyncio.gather(
        for_a_while(service.url, 20, 3 * APART_SECONDS, read_colour), recreate_type(url, last)
    )

    assert set(reads.seconds) == {200}
    assert reads.resets == 0


@pytest.mark.parametrize("last", ["", "; DROP TYPE old_colour"], ids=["the old type stays", "the old type is dropped"])
async def test_a_write_of_a_recreated_type_is_503_and_the_next_is_200(running: tuple[Service, str], last: str) -> None:
    service, url = running
    async with httpx.AsyncClient(base_url=service.url) as client:
        before = await client.put("/colours/red")
        await recreate_type(url, last)
        stale, after = [await client.put("/colours/red") for _ in range(2)]

    assert [answer.status_code for answer in (before, stale, after)] == [200, 503, 200]


async def test_a_locked_table_costs_its_own_callers_only(running: tuple[Service, str]) -> None:
    service, url = running

    async def measure() -> dict[str, float]:
        refused = len(service.lines("database refused a statement"))
        async with locked(url):
            asked, unlocked, live = await asyncio.gather(
                for_a_while(service.url, 50, LOCKED_SECONDS, read),
                for_a_while(service.url, 5, LOCKED_SECONDS, read_unlocked),
                for_a_while(service.url, 1, LOCKED_SECONDS, ask_live),
            )
        after = await for_a_while(service.url, 10, 0.5, read)
        await until_idle(service.management)
        lines = service.lines("database refused a statement")[refused:]

        assert {line["sqlstate"] for line in lines} == {LOCK_NOT_AVAILABLE}
        assert set(asked.seconds) <= {503, 504}
        assert set(unlocked.seconds) | set(after.seconds) <= {200, 503}
        assert set(live.seconds) == {200}
        assert asked.resets + unlocked.resets + live.resets + after.resets == 0
        return late(
            unlocked_refused=(refused_ratio(unlocked), MOST_REFUSED),
            refused_later=(refused_ratio(after), MOST_REFUSED),
            last_refusal=(asked.at(1.0, 503, 504), DEADLINE_SECONDS),
            unlocked=(unlocked.at(0.99, 200), OTHER_SECONDS),
            live=(live.at(0.99, 200), OTHER_SECONDS),
        )

    assert await undisturbed(measure) == {}

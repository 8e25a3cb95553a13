"""Read replicas: the recipe, and what the lines of the tutorials do, on a real primary and a real standby."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
import replicas
from edges import client_of, tutorial

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of both servers, which the outer test has started, and empty them."""
    primary, replica = os.environ["RECIPES_REPLICATED"].split()
    monkeypatch.setenv("DATABASE_URL", primary)
    monkeypatch.setenv("REPLICA_URL", replica)
    await on("DATABASE_URL", "DROP TABLE IF EXISTS notes")


async def on(variable: str, statement: str) -> None:
    """Run a statement on a server."""
    connection = await asyncpg.connect(os.environ[variable])
    await connection.execute(statement)
    await connection.close()


@asynccontextmanager
async def a_replica_that_is_behind() -> AsyncGenerator[None]:
    """Let the replica replay nothing during the block."""
    await on("REPLICA_URL", "SELECT pg_wal_replay_pause()")
    yield
    await on("REPLICA_URL", "SELECT pg_wal_replay_resume()")


async def write_and_read(client: httpx.AsyncClient, numbers: range) -> list[int]:
    """Write notes and read each at once; return the statuses of the reads."""
    statuses = []
    for number in numbers:
        assert (await client.put(f"/notes/{number}", params={"text": "tea"})).status_code < 300
        statuses.append((await client.get(f"/notes/{number}")).status_code)
    return statuses


async def test_a_client_reads_what_it_wrote_with_a_replica_that_is_up_to_date_or_behind() -> None:
    async with client_of(replicas.app) as client:
        usual = await write_and_read(client, range(100, 120))
        async with a_replica_that_is_behind():
            behind = await write_and_read(client, range(200, 205))

    assert set(usual + behind) == {200}


async def test_the_tutorial_reads_what_was_there_before() -> None:
    async with client_of(replicas.app):  # makes the table
        pass
    async with client_of(tutorial("replicas").app) as client, a_replica_that_is_behind():
        statuses = await write_and_read(client, range(300, 320))

    assert statuses == [404] * 20


async def test_a_replica_that_is_behind_costs_a_read_a_bounded_time() -> None:
    async with client_of(replicas.app) as client, a_replica_that_is_behind():
        await client.put("/notes/400", params={"text": "tea"})
        started = time.monotonic()
        answers = await asyncio.gather(*(client.get("/notes/400") for _ in range(5)))
        seconds = time.monotonic() - started

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert 200 in {answer.status_code for answer in answers}
    assert seconds < 10 * replicas.WAIT_SECONDS


async def test_a_cookie_that_is_no_position_is_ignored() -> None:
    async with client_of(replicas.app) as client:
        await client.put("/notes/500", params={"text": "tea"})
        await asyncio.sleep(1)
        found = await client.get("/notes/500", headers={"Cookie": "position='; DROP TABLE notes"})

    assert found.status_code == 200

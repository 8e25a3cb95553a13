"""Tests of read replicas on a real primary and standby: the recipe, and what the code of the tutorials does."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
import replicas
from edges import client_of, eventually, tutorial

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the URLs of the primary and the replica, which the outer test has started, and drop the table."""
    primary, replica = os.environ["RECIPES_REPLICATED"].split()
    monkeypatch.setenv("DATABASE_URL", primary)
    monkeypatch.setenv("REPLICA_URL", replica)
    await on("DATABASE_URL", "DROP TABLE IF EXISTS notes")


async def on(variable: str, statement: str) -> None:
    """Run a statement on the server that an environment variable names."""
    connection = await asyncpg.connect(os.environ[variable])
    await connection.execute(statement)
    await connection.close()


async def is_replayed(note: int) -> bool:
    """Tell whether the replica has replayed the write of a note."""
    connection = await asyncpg.connect(os.environ["REPLICA_URL"])
    try:
        return await connection.fetchval("SELECT true FROM notes WHERE id = $1", note) is True
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()


@asynccontextmanager
async def a_replica_that_is_behind() -> AsyncGenerator[None]:
    """Stop the replay of the WAL on the replica during the block, so that the replica is behind."""
    await on("REPLICA_URL", "SELECT pg_wal_replay_pause()")
    yield
    await on("REPLICA_URL", "SELECT pg_wal_replay_resume()")


async def write_and_read(client: httpx.AsyncClient, numbers: range) -> list[int]:
    """Write notes and read each note at once after the write; return the statuses of the reads."""
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
    async with client_of(replicas.app) as client:  # the recipe's start creates the table
        await client.put("/notes/1", params={"text": "tea"})
        await eventually(lambda: is_replayed(1))
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


async def test_a_bounded_number_of_reads_goes_to_the_primary_and_the_rest_is_refused() -> None:
    async with client_of(replicas.app) as client, a_replica_that_is_behind():
        await client.put("/notes/600", params={"text": "tea"})
        async with reads_that_hang_on_the_primary() as hanging:
            reads = [asyncio.create_task(client.get("/notes/600")) for _ in range(5)]
            await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)

            async def all_there() -> bool:
                return sum(read.done() for read in reads) + await hanging() == len(reads)

            await eventually(all_there)
            at_once = await hanging()
        statuses = sorted([(await read).status_code for read in reads])

    assert (at_once, replicas.MAX_PRIMARY_READS) == (2, 2)
    assert statuses == [200, 200, 503, 503, 503]


@asynccontextmanager
async def reads_that_hang_on_the_primary() -> AsyncGenerator[Callable[[], Awaitable[int]]]:
    """Lock the table on the primary during the block, and yield a function that counts reads that wait for the lock."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])

    async def hanging() -> int:
        count: int = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return count

    async with connection.transaction():
        await connection.execute("LOCK TABLE notes")
        yield hanging
    await connection.close()


async def test_a_cookie_that_is_no_position_is_ignored() -> None:
    async with client_of(replicas.app) as client:
        await client.put("/notes/500", params={"text": "tea"})
        await eventually(lambda: is_replayed(500))
        found = await client.get("/notes/500", headers={"Cookie": "position='; DROP TABLE notes"})

    assert found.status_code == 200

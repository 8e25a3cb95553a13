"""Round trips of psycopg 3 and asyncpg to a real PostgreSQL: reads, pipelines, and many rows."""

from typing import Any

import asyncpg
import psycopg
import psycopg_async
import pytest
from edges import client_of
from psycopg_pool import AsyncConnectionPool
from wire import Wire, counted

pytestmark = pytest.mark.anyio

QUESTION, INSERT = "SELECT 1 + $1::int", "INSERT INTO readings VALUES ($1, $2)"
ROWS = [(number, number / 2) for number in range(100)]


async def test_a_read_through_the_pool_of_asyncpg_is_two_round_trips(database_url: str) -> None:
    async with counted(database_url) as (wire, address):
        async with asyncpg.create_pool(address, min_size=1, max_size=1) as pool:
            trips = [await wire.of(pool.fetchval(QUESTION, 1)) for _ in range(3)]
        async with asyncpg.create_pool(address, min_size=1, max_size=1, statement_cache_size=0) as pool:
            uncached = [await wire.of(pool.fetchval(QUESTION, 1)) for _ in range(3)]
            async with pool.acquire() as connection:
                bare = await wire.of(connection.fetchval(QUESTION, 1))

    assert (trips, uncached, bare) == ([3, 2, 2], [3, 3, 3], 2)


async def test_a_read_through_the_pool_of_psycopg_is_three_round_trips_and_one_with_autocommit(
    database_url: str,
) -> None:
    async with counted(database_url) as (wire, address):
        trips = [await reads(wire, address, autocommit=autocommit) for autocommit in (False, True)]

    assert trips == [[3, 3, 3], [1, 1, 1]]


async def reads(wire: Wire, address: str, *, autocommit: bool) -> list[int]:
    """Return the round trips of three reads through a pool of psycopg: for each read, a number."""
    kwargs = {"autocommit": autocommit}
    async with AsyncConnectionPool[Any](address, min_size=1, max_size=1, open=False, kwargs=kwargs) as pool:
        await pool.wait()

        async def read() -> None:
            async with pool.connection() as connection:
                cursor = await connection.execute("SELECT 1 + %s::int", [1])
                assert await cursor.fetchone() == (2,)

        return [await wire.of(read()) for _ in range(3)]


async def test_the_recipe_asks_for_a_hundred_sensors_in_one_round_trip(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counted(database_url) as (wire, address):
        monkeypatch.setenv("DATABASE_URL", address)
        async with client_of(psycopg_async.app) as client:
            await client.post("/readings", content="7,1.5\n")
            answers = []

            async def ask() -> None:
                answers.append(await client.get("/sensors", params={"sensor": [*range(100)]}))

            trips = await wire.of(ask())

    assert answers[0].json() == [None] * 7 + [1.5] + [None] * 92
    assert trips == 1


async def test_many_rows_and_statements_without_parameters_are_one_round_trip_for_both(database_url: str) -> None:
    async with counted(database_url) as (wire, address):
        old = await asyncpg.connect(address)
        await old.execute("CREATE TABLE readings (sensor int, value float8)")
        await old.executemany(INSERT, ROWS)
        trips = [await wire.of(old.executemany(INSERT, ROWS)), await wire.of(old.execute("SELECT 1; SELECT 2"))]
        await old.close()
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as new, new.cursor() as cursor:
            trips.append(await wire.of(cursor.executemany("INSERT INTO readings VALUES (%s, %s)", ROWS)))
            trips.append(await wire.of(new.execute("SELECT 1; SELECT 2")))

    assert trips == [1, 1, 1, 1]

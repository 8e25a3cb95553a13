"""psycopg 3 beside asyncpg: the rows of the table of the page, by counts on a real PostgreSQL."""

import asyncio
import io
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import psycopg
import pytest
from edges import eventually
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

pytestmark = pytest.mark.anyio

SIZE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
READINGS = "CREATE TABLE readings (sensor int, value float8)"
ROWS = [(number, number / 2) for number in range(100)]


@pytest.fixture
async def old(database_url: str) -> AsyncGenerator[asyncpg.Connection]:
    """Yield a connection of asyncpg to a database with a table."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(READINGS)
    yield connection
    await connection.close()


@pytest.fixture
async def new(database_url: str) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
    """Yield a connection of psycopg."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


async def value(connection: psycopg.AsyncConnection[Any], question: Any, parameters: Any = None) -> object:  # noqa: ANN401 - as psycopg
    """Return the value that a question has."""
    return (await (await connection.execute(question, parameters)).fetchone() or [None])[0]


async def test_asyncpg_takes_the_types_of_the_server_and_psycopg_sends_those_of_python(
    old: asyncpg.Connection, new: psycopg.AsyncConnection[Any]
) -> None:
    with pytest.raises(asyncpg.DataError):
        await old.fetchval("SELECT $1::int", "5")

    assert await value(new, "SELECT %s::int", ["5"]) == 5
    assert await value(new, "SELECT %(name)s::int", {"name": "5"}) == 5
    assert await value(new, "SELECT pg_typeof(%s)::text", [5]) == "smallint"


async def test_the_pools_start_with_ten_and_four_connections_and_let_all_callers_wait_in_order(
    database_url: str, old: asyncpg.Connection
) -> None:
    of_old = {"server_settings": {"application_name": "old"}}
    of_new: dict[str, Any] = {"kwargs": {"application_name": "new"}, "open": False}
    async with asyncpg.create_pool(database_url, **of_old), AsyncConnectionPool(database_url, **of_new) as four:
        await four.wait()
        sizes = [await old.fetchval(SIZE, name) for name in ("old", "new")]
        assert (sizes, four.max_size, four.timeout, four.max_waiting) == ([10, 4], 4, 30, 0)
    served: dict[str, list[int]] = {"old": [], "new": []}
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as one:
        await asyncio.gather(*(take(one.acquire(), served["old"], number) for number in range(200)))
    async with AsyncConnectionPool(database_url, min_size=1, open=False) as one:
        await asyncio.gather(*(take(one.connection(), served["new"], number) for number in range(200)))

    assert served == {"old": [*range(200)], "new": [*range(200)]}


async def take(place: Any, served: list[int], number: int) -> None:  # noqa: ANN401 - both pools
    """Hold a connection of a pool for a moment."""
    async with place:
        served.append(number)
        await asyncio.sleep(0)


async def test_asyncpg_copies_bytes_and_records_in_and_bytes_out(old: asyncpg.Connection) -> None:
    async def records() -> AsyncGenerator[tuple[int, float]]:
        for row in ROWS:
            yield row

    blocks: list[object] = []

    async def take_block(block: object) -> None:
        blocks.append(type(block))

    await old.copy_records_to_table("readings", records=records())
    await old.copy_to_table("readings", source=io.BytesIO(b"1,2\n"), format="csv")
    await old.copy_from_query("SELECT * FROM readings", output=take_block)

    assert await old.fetchval("SELECT count(*) FROM readings") == len(ROWS) + 1
    assert set(blocks) <= {bytes, bytearray}


@pytest.mark.usefixtures("old")
async def test_psycopg_copies_rows_in_and_out(new: psycopg.AsyncConnection[Any]) -> None:
    async with new.cursor() as cursor:
        async with cursor.copy("COPY readings FROM STDIN") as copy:
            for row in ROWS:
                await copy.write_row(row)
        async with cursor.copy("COPY readings TO STDOUT") as copy:
            copy.set_types(["int4", "float8"])
            found = [row async for row in copy.rows()]

    assert found == ROWS


async def test_a_listener_of_asyncpg_runs_queries_and_that_of_psycopg_is_occupied(
    old: asyncpg.Connection, new: psycopg.AsyncConnection[Any]
) -> None:
    told: dict[str, list[object]] = {"old": [], "new": [], "handler": []}
    await old.add_listener("news", lambda *args: told["old"].append(args[-1]))
    await new.execute("LISTEN news")

    async def iterate() -> None:
        async for notification in new.notifies():
            told["new"].append(notification.payload)

    async def all_told() -> bool:
        return told["old"] == told["new"] == ["one"]

    listening = asyncio.create_task(iterate())
    await old.execute("NOTIFY news, 'one'")
    await eventually(all_told)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(new.execute("SELECT 1"), 0.5)
    listening.cancel()
    await asyncio.wait([listening])
    new.add_notify_handler(lambda notification: told["handler"].append(notification.payload))
    await old.execute("NOTIFY news, 'two'")

    assert told["handler"] == []
    assert await value(new, "SELECT 1") == 1
    assert told["handler"] == ["two"]


async def test_psycopg_has_the_same_calls_without_async_and_is_a_driver_of_sqlalchemy(database_url: str) -> None:
    def read() -> object:
        with psycopg.connect(database_url, autocommit=True) as connection, connection.pipeline():
            return [connection.execute("SELECT %s::int", [number]).fetchone() for number in range(3)]

    engine = create_async_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    async with engine.connect() as connection:
        found = await connection.scalar(text("SELECT 1"))
    await engine.dispose()

    assert await asyncio.to_thread(read) == [(0,), (1,), (2,)]
    assert (engine.dialect.driver, found) == ("psycopg", 1)

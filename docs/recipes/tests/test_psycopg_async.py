"""Tests of psycopg 3 on a real PostgreSQL: the recipe, and what the code of the tutorials does."""

import asyncio
import time

import httpx
import psycopg_async
import pytest
from edges import client_of, tutorial

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("database_url")]

ROWS = 2000
LINES = "".join(f"{number % 7},{number}\n" for number in range(ROWS))


async def test_rows_are_loaded_and_read() -> None:
    async with client_of(psycopg_async.app) as client:
        loaded = await client.post("/readings", content="1,0.5\n1,1.5\n2,7\n")
        half = await client.post("/readings", content="3,1\nthree,2\n")
        read = await client.get("/sensors", params={"sensor": [1, 2, 3]})

    assert loaded.json() == 3
    assert half.status_code == 422
    assert read.json() == [1.5, 7, None]


async def test_copy_is_ten_times_faster_than_a_statement_for_each_row() -> None:
    async with client_of(psycopg_async.app) as ours, client_of(tutorial("psycopg_async").app) as theirs:
        copied = min([await seconds_to_load(ours) for _ in range(3)])  # a pause of a busy machine hits one of three
        inserted = await seconds_to_load(theirs)

    assert inserted > 10 * copied


async def seconds_to_load(client: httpx.AsyncClient) -> float:
    """Return the seconds in which the app stores all lines."""
    started = time.monotonic()
    assert (await client.post("/readings", content=LINES)).json() == ROWS
    return time.monotonic() - started


async def test_a_busy_pool_lets_twenty_wait_for_a_second_and_refuses_the_rest() -> None:
    async with client_of(psycopg_async.app) as client:
        pool = psycopg_async.app.state.pool
        held = [await pool.getconn() for _ in range(5)]
        pool.pop_stats()
        started = time.monotonic()
        answers = await asyncio.gather(*(client.get("/sensors", params={"sensor": 1}) for _ in range(30)))
        seconds, waited = time.monotonic() - started, pool.get_stats()["requests_queued"]
        for connection in held:
            await pool.putconn(connection)

    assert {answer.status_code for answer in answers} == {503}
    assert waited == 20
    assert seconds < 10

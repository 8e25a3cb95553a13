"""Tests of task queues on a real Valkey and PostgreSQL: the recipe with an outbox, and the code of the tutorials."""

import asyncio
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

import asyncpg
import httpx
import outbox
import pytest
from edges import LONG_STALL_SECONDS, Server, client_of, eventually, server, stall_while_frozen, tutorial
from fastapi import FastAPI
from redis.asyncio import Redis

pytestmark = pytest.mark.anyio


@contextmanager
def in_a_process(app: str, python: str = sys.executable) -> Generator[Server]:
    """Serve an app in a separate process, which a test may kill."""
    with server(lambda port, _folder: [python, "-m", "uvicorn", app, "--port", port]) as running:
        yield running


async def tasks() -> int:
    """Return the number of tasks in RQ's queue."""
    async with Redis.from_url(os.environ["VALKEY_URL"]) as client:
        return int(await client.llen("rq:queue:default"))


async def orders(url: str) -> int:
    """Return the number of orders."""
    connection = await asyncpg.connect(url)
    count: int = await connection.fetchval("SELECT count(*) FROM orders")
    await connection.close()
    return count


@pytest.mark.parametrize("path", ["/celery", "/rq", "/dramatiq"])
async def test_a_queue_without_async_stops_the_loop_while_its_broker_is_frozen(path: str, valkey: Server) -> None:
    assert await stall_of(path, valkey) >= LONG_STALL_SECONDS


async def test_taskiq_waits_without_stopping_the_loop(valkey: Server) -> None:
    assert await stall_of("/taskiq", valkey) < LONG_STALL_SECONDS


async def test_arq_waits_without_stopping_the_loop_and_without_an_end(valkey: Server) -> None:
    """While the broker is frozen, arq's enqueue waits without a limit, and the event loop goes on.

    The app runs with a separate Python, as arq needs an older redis-py.
    """
    with in_a_process("tutorials.queue_of_arq:app", os.environ["RECIPES_ARQ"]) as app:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{app.port}", timeout=30) as client:
            assert (await client.post("/arq")).status_code == 200
            valkey.freeze()
            task = asyncio.create_task(client.post("/arq"))
            await asyncio.wait([task], timeout=3)
            alive = await client.get("/alive")
            is_waiting = not task.done()
            valkey.thaw()
            done = await task

    assert (alive.status_code, is_waiting, done.status_code) == (200, True, 200)


async def stall_of(path: str, valkey: Server) -> float:
    """Return how long a route stops the loop while the broker is frozen."""
    async with client_of(tutorial("queues").app) as client:
        assert (await client.post(path)).status_code == 200
        return await stall_while_frozen(valkey, client.post(path))


async def test_a_process_that_dies_after_the_commit_loses_the_task(database_url: str, valkey: Server) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(outbox.TABLES)
    await connection.close()
    with in_a_process("tutorials.outbox:app") as app:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{app.port}", timeout=20) as client:
            valkey.freeze()
            request = asyncio.create_task(client.post("/orders", params={"item": "tea"}))

            async def is_committed() -> bool:
                return await orders(database_url) == 1

            await eventually(is_committed)
            app.process.kill()
            with pytest.raises(httpx.TransportError):
                await request
        valkey.thaw()

    assert (await orders(database_url), await tasks()) == (1, 0)


async def test_a_row_of_the_outbox_becomes_a_task_after_the_death_of_the_process(
    database_url: str, valkey: Server
) -> None:
    with in_a_process("outbox:app") as app:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{app.port}", timeout=20) as client:
            valkey.freeze()
            answers = [await client.post("/orders", params={"item": "tea"}) for _ in range(5)]
        app.process.kill()
        app.process.wait(10)
        valkey.thaw()
    assert [answer.status_code for answer in answers] == [201] * 5
    assert (await orders(database_url), await tasks()) == (5, 0)

    async def all_there() -> bool:
        return await tasks() == 5

    async with client_of(outbox.app):  # a new process after the killed process
        await eventually(all_there)


@pytest.mark.usefixtures("valkey")
async def test_the_relays_of_two_processes_send_each_row_once(database_url: str) -> None:
    async with client_of(outbox.app) as client, client_of(FastAPI(lifespan=outbox.lifespan)):
        for _ in range(10):  # five requests at a time, as the pool has five connections
            answers = await asyncio.gather(*(client.post("/orders", params={"item": "tea"}) for _ in range(5)))
            assert [answer.status_code for answer in answers] == [201] * 5

        async def all_there() -> bool:
            return await tasks() >= 50

        await eventually(all_there)

    assert (await orders(database_url), await tasks()) == (50, 50)

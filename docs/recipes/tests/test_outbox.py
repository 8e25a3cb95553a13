"""Task queues: the recipe, and what the lines of the tutorials do, on a real Valkey and a real PostgreSQL."""

import asyncio
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

import asyncpg
import httpx
import outbox
import pytest
from edges import Server, client_of, eventually, longest_stall, server, tutorial
from fastapi import FastAPI
from redis.asyncio import Redis

pytestmark = pytest.mark.anyio

FROZEN_SECONDS = 1.0


@contextmanager
def in_a_process(app: str) -> Generator[Server]:
    """Serve an app in a process of its own, which a test may kill."""
    with server(lambda port, _folder: [sys.executable, "-m", "uvicorn", app, "--port", port]) as running:
        yield running


async def tasks() -> int:
    """Return the number of tasks in the queue."""
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
    assert await stall_of(path, valkey) >= 0.8 * FROZEN_SECONDS


async def test_taskiq_waits_without_stopping_the_loop(valkey: Server) -> None:
    assert await stall_of("/taskiq", valkey) < 0.5 * FROZEN_SECONDS


async def stall_of(path: str, valkey: Server) -> float:
    """Return how long a route stops the loop while the broker is frozen for a second."""
    async with client_of(tutorial("queues").app) as client:
        assert (await client.post(path)).status_code == 200
        timer = threading.Timer(FROZEN_SECONDS, valkey.thaw)
        valkey.freeze()
        timer.start()
        stall = await longest_stall(client.post(path))
        timer.join()
    return stall


async def test_a_process_that_dies_after_the_commit_loses_the_task(database_url: str, valkey: Server) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(outbox.TABLES)
    await connection.close()
    with in_a_process("tutorials.outbox:app") as app:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{app.port}", timeout=1) as client:
            valkey.freeze()
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/orders", params={"item": "tea"})
        app.process.kill()
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

    async with client_of(outbox.app):  # the next process
        await eventually(all_there)


@pytest.mark.usefixtures("valkey")
async def test_the_relays_of_two_processes_send_each_row_once(database_url: str) -> None:
    async with client_of(outbox.app) as client, client_of(FastAPI(lifespan=outbox.lifespan)):
        await asyncio.gather(*(client.post("/orders", params={"item": "tea"}) for _ in range(50)))

        async def all_there() -> bool:
            return await tasks() >= 50

        await eventually(all_there)

    assert (await orders(database_url), await tasks()) == (50, 50)

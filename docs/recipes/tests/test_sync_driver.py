"""Tests of a driver without async on a real PostgreSQL: the recipe, and what the code of the tutorials does."""

import asyncio
import threading
import time
from collections import Counter

import httpx
import pytest
import sync_driver
from edges import client_of, eventually, longest_stall, tutorial
from fastapi import FastAPI

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("database_url")]


async def order_of(client: httpx.AsyncClient, slow: str, count: int) -> list[str]:
    """Send slow requests and then a quick request, and return the paths in the order in which responses arrive."""
    finished: list[str] = []

    async def get(path: str) -> None:
        await client.get(path)
        finished.append(path)

    await asyncio.gather(*(get(slow) for _ in range(count)), get("/quick"))
    return finished


def with_quick_route(app: FastAPI) -> FastAPI:
    """Add a quick `def` route, as in the tutorials, to an app that has none."""
    if "/quick" not in {getattr(route, "path", "") for route in app.routes}:
        app.get("/quick")(lambda: "no database")
    return app


async def test_the_driver_in_an_async_route_stops_the_loop() -> None:
    async with client_of(tutorial("sync_driver").app) as client:
        stall = await longest_stall(client.get("/async-report"))
        started = time.monotonic()
        finished = await order_of(client, "/async-report", 20)
        seconds = time.monotonic() - started

    assert stall >= 0.05
    assert seconds >= 20 * 0.05
    assert finished[-1] == "/quick"


async def test_the_driver_in_def_routes_takes_the_threads_of_all_def_routes() -> None:
    """Slow `def` routes delay a quick `def` route: after 60 slow requests, the quick request needs one of 40 threads.

    A thread is free for the quick request after 21 slow requests have ended.
    """
    theirs = tutorial("sync_driver")
    async with client_of(theirs.app) as client:
        held = [await asyncio.to_thread(theirs.pool.getconn) for _ in range(theirs.pool.max_size)]
        all_done = asyncio.create_task(order_of(client, "/def-report", 60))

        async def all_threads_wait() -> bool:
            return bool(theirs.pool.get_stats()["requests_waiting"] == 40)

        await eventually(all_threads_wait)
        for connection in held:
            theirs.pool.putconn(connection)
        finished = await all_done

    assert finished.index("/quick") >= 20


async def test_the_driver_with_threads_of_its_own_delays_no_other_route() -> None:
    full, release = sync_driver.MAX_CONCURRENT + sync_driver.MAX_QUEUE, threading.Event()
    async with client_of(with_quick_route(sync_driver.app)) as client:
        stall = await longest_stall(client.get("/report"))
        blocking = sync_driver.app.state.blocking
        blocking.pool.timeout = 30  # long, as with more threads than connections all calls would wait
        calls = [asyncio.create_task(blocking.run(lambda _connection: release.wait(30))) for _ in range(full)]
        await asyncio.sleep(0)
        try:
            quick = await asyncio.wait_for(client.get("/quick"), 10)
            reports = asyncio.gather(*(client.get("/report") for _ in range(300)))
            answers = await asyncio.wait_for(reports, 10)
            running = [not call.done() for call in calls]
        finally:
            release.set()
        await asyncio.gather(*calls)
        again = await client.get("/report")

    assert stall < 10 * 0.05
    assert (quick.status_code, again.status_code) == (200, 200)
    assert Counter(answer.status_code for answer in answers) == {503: 300}
    assert all(running)

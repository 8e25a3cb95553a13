"""A driver without async: the recipe, and what the lines of the tutorials do, on a real PostgreSQL."""

import asyncio
import time

import httpx
import pytest
import sync_driver
from edges import client_of, longest_stall, tutorial
from fastapi import FastAPI

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("database_url")]


async def order_of(client: httpx.AsyncClient, slow: str, count: int) -> list[str]:
    """Send slow requests and then a quick one, and return the paths in the order of the answers."""
    finished: list[str] = []

    async def get(path: str) -> None:
        await client.get(path)
        finished.append(path)

    await asyncio.gather(*(get(slow) for _ in range(count)), get("/quick"))
    return finished


def with_quick_route(app: FastAPI) -> FastAPI:
    """Add the quick `def` route of the tutorials."""
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
    """Forty threads wait for five connections: the quick route is answered after eight waves of five."""
    async with client_of(tutorial("sync_driver").app) as client:
        finished = await order_of(client, "/def-report", 60)

    assert finished.index("/quick") >= 20


async def test_the_driver_with_threads_of_its_own_delays_no_other_route() -> None:
    async with client_of(with_quick_route(sync_driver.app)) as client:
        stall = await longest_stall(client.get("/report"))
        finished = await order_of(client, "/report", 40)
        answers = await asyncio.gather(*(client.get("/report") for _ in range(300)))

    statuses = [answer.status_code for answer in answers]
    assert finished.index("/quick") <= 4
    assert stall < 10 * 0.05
    assert statuses.count(200) >= sync_driver.MAX_CONCURRENT + sync_driver.MAX_QUEUE
    assert statuses.count(503) >= 50

"""What a request left behind at its deadline: nothing, neither here nor on the server."""

import asyncio
import time

from fastapi import FastAPI
from sqlalchemy import text

from app.dependencies import ReadSession, WriteSession
from app.lifespan import Resources
from app.main import create_app
from app.pool import FairPool
from tests.conftest import client_of
from tests.databases import make_settings

SLEEP = text("SELECT pg_sleep(2)")
RUNNING = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND state = 'active'")


def build(url: str) -> FastAPI:
    """Return the service with a slow read and a slow write."""
    app = create_app(make_settings(url))

    @app.get("/slow")
    async def read(session: ReadSession) -> None:
        await session.execute(SLEEP)

    @app.post("/slow")
    async def write(session: WriteSession) -> None:
        await session.execute(SLEEP)

    return app


async def sleeping(resources: Resources) -> int:
    """Return how many statements still run on the server, this one left out."""
    return int(await resources.readiness.reader.scalar(RUNNING)) - 1


async def test_at_its_deadline_a_statement_ends_on_the_server_and_its_connection_is_free(committed_url: str) -> None:
    app = build(committed_url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        resources: Resources = app.state.resources
        started = time.monotonic()
        hurry = {"X-Request-Timeout-Ms": "300"}
        # tasks of their own, as a server has one for each request
        asking = [asyncio.create_task(client.request(method, "/slow", headers=hurry)) for method in ("GET", "POST")]
        answers = [(await task).status_code for task in asking]
        while await sleeping(resources) > 0:  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.02)
        took = time.monotonic() - started
        pool = resources.engine.pool
        assert isinstance(pool, FairPool)
        held = pool.checkedout(), pool.gate.in_use, pool.gate.waiting

    assert answers == [504, 504]
    assert took < 2  # one of them alone would take that long
    assert held == (0, 0, 0)

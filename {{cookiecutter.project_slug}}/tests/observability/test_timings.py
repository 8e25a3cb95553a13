"""Timings of requests: the header Server-Timing, the access log line, and the log of slow statements."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from app.database.statements import public_text
from app.main import create_app
from tests.conftest import client_of
from tests.databases import make_settings
from tests.http_client import httpx
from tests.observability.test_traces import logged
from tests.observability.timed_routes import router

STRANGERS = {"forwarded_allow_ips": "192.0.2.1"}
SECONDS = 0.1
"""The seconds that a statement sleeps: many times as long as the service itself takes."""


@asynccontextmanager
async def timed(url: str, **settings: object) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield an HTTP client of the service with test routes that send statements, and a pool of two connections."""
    app: FastAPI = create_app(make_settings(url, database_pool_limit=2, **settings))
    app.include_router(router)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


def milliseconds(response: httpx.Response) -> dict[str, float]:
    """Return the durations and the statement count from a response's Server-Timing, by name."""
    found = re.findall(r'(\w+);(?:dur=|desc=")([\d.]+)', response.headers["server-timing"])
    return {name: float(value) for name, value in found}


async def test_a_response_and_its_access_line_have_the_same_timings(
    shared_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with timed(shared_url) as client:
        times = milliseconds(await client.get(f"/timed/reads/2?seconds={SECONDS}"))

    (line,) = [line for line in await logged(capfd) if line["event"] == "request"]
    assert [*times] == ["db", "wait", "downstream", "app", "statements"]
    assert (
        line["statements"],
        line["db_milliseconds"],
        line["wait_milliseconds"],
        line["downstream_milliseconds"],
    ) == (
        times["statements"],
        times["db"],
        times["wait"],
        times["downstream"],
    )
    assert times["db"] >= 2 * SECONDS * 1000
    assert line["app_milliseconds"] >= times["app"]


async def test_each_way_to_the_database_counts(shared_url: str) -> None:
    """Statements count on each path: the first run goes through SQLAlchemy, later runs go straight to the driver."""
    async with timed(shared_url) as client:
        await client.get("/timed/reads/2")
        read = milliseconds(await client.get("/timed/reads/3"))
        written = milliseconds(await client.post("/timed/write"))

    assert (read["statements"], written["statements"]) == (3, 1)
    assert written["db"] > 0


async def test_the_queue_of_the_connection_pool_is_a_wait(shared_url: str) -> None:
    """Three concurrent statements on two connections: the third waits for a connection, and all times are summed."""
    async with timed(shared_url) as client:
        await client.get("/timed/gathered/2?seconds=0")
        times = milliseconds(await client.get(f"/timed/gathered/3?seconds={SECONDS}"))

    assert times["db"] >= 3 * SECONDS * 1000
    assert times["wait"] >= SECONDS * 1000 / 2
    assert times["app"] == 0


async def test_a_background_task_adds_nothing(shared_url: str) -> None:
    async with timed(shared_url) as client:
        times = milliseconds(await client.get("/timed/background"))

    assert (times["statements"], times["db"]) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"environment": "production", "api_docs": False}, True),
        ({"environment": "production", "api_docs": False, **STRANGERS}, False),
        ({"environment": "development", **STRANGERS}, True),
    ],
)
async def test_strangers_get_timings_in_development_only(
    shared_url: str, settings: dict[str, object], shown: bool
) -> None:
    async with timed(shared_url, **settings) as client:
        response = await client.get("/timed/reads/1")

    assert ("server-timing" in response.headers) is shown


async def test_a_slow_statement_is_logged_with_its_route_and_without_values(
    shared_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with timed(shared_url, database_slow_statement_seconds=SECONDS / 2) as client:
        await client.get(f"/timed/reads/1?seconds={SECONDS}&word=canary")
        await client.get("/timed/reads/1?seconds=0&word=canary")

    lines = [line for line in await logged(capfd, 2) if line["event"] == "slow statement"]
    assert [(line["route"], line["rows"], len(line["hash"])) for line in lines] == [("/timed/reads/{count}", 1, 12)]
    assert "pg_sleep($1" in lines[0]["sql"]
    assert "canary" not in str(lines)


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT a1 FROM t2 WHERE b = $1::VARCHAR LIMIT $2", "SELECT a1 FROM t2 WHERE b = $1::VARCHAR LIMIT $2"),
        ("SELECT 1 WHERE a = 4711.5 AND b = 'tea' AND c = $1", "SELECT ? WHERE a = ? AND b = ?"),
        ("SELECT $tag$tea$tag$", "SELECT ?"),
    ],
)
def test_the_text_of_a_statement_has_no_values(sql: str, shown: str) -> None:
    assert public_text(sql) == shown

"""The deadline of a request ends the running statement on PostgreSQL, and frees the connection."""

import asyncio
import time
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database.pool import FairPool
from app.dependencies import ReadSession, TransactionsDep, WriteSession
from app.main import create_app
from app.resources import Resources
from app.settings.route_groups import RouteGroupsSettings
from tests.conftest import client_of
from tests.database.test_pool import Relay
from tests.databases import make_settings, run_statement
from tests.limits.waiting import count_waiting

DEADLINES = {name: {"deadline_seconds": 60} for name in RouteGroupsSettings.model_fields}
LONG_TIMEOUTS: dict[str, Any] = {
    "database_statement_timeout_seconds": 50,
    "database_command_timeout_seconds": 55,
    "route_groups": DEADLINES,
    "drain_seconds": 0,
    "graceful_shutdown_seconds": 100,
    "termination_grace_seconds": 110,
}
"""Timeouts of 50 s and more: a statement that ends within seconds was ended by the request's deadline."""

SLEEP = text("SELECT pg_sleep(60)")
RUNNING = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active'")


def build(url: str) -> FastAPI:
    """Return the service with a read and a write of 60 s, which only the request's deadline ends in time."""
    app = create_app(make_settings(url, **LONG_TIMEOUTS))

    @app.get("/slow")
    async def read(session: ReadSession) -> None:
        await session.execute(SLEEP)

    @app.post("/slow")
    async def write(session: WriteSession) -> None:
        await session.execute(SLEEP)

    return app


async def sleeping(resources: Resources) -> int:
    """Return how many `pg_sleep(60)` statements still run on PostgreSQL."""
    # minus this counting query, whose text matches too
    return int(await resources.readiness.reader.scalar(RUNNING)) - 1


async def test_the_deadline_ends_a_statement_on_the_server_and_frees_the_connection(committed_url: str) -> None:
    app = build(committed_url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        resources: Resources = app.state.resources
        started = time.monotonic()
        hurry = {"X-Request-Timeout-Ms": "300"}
        # a task for each request, as under uvicorn: the deadline cancels the request's task
        requests = [asyncio.create_task(client.request(method, "/slow", headers=hurry)) for method in ("GET", "POST")]
        statuses = [(await request).status_code for request in requests]
        while await sleeping(resources) > 0:  # noqa: ASYNC110 - polls: PostgreSQL sends no event when a statement ends
            await asyncio.sleep(0.02)
        took = time.monotonic() - started
        pool = resources.engine.pool
        assert isinstance(pool, FairPool)
        held = pool.checkedout(), pool.bulkhead.in_use, count_waiting(pool.bulkhead)

    assert statuses == [504, 504]
    assert took < 10  # the deadline is 0.3 s; the statement timeout alone would take 50 s
    assert held == (0, 0, 0)


SLOW_COMMIT = """
    CREATE TABLE notes (id int);
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait()
"""
"""SQL for a table with a check at COMMIT that takes 1.5 s, longer than the deadline of 1 s in HURRY."""

HURRY = {"X-Request-Timeout-Ms": "1000"}
"""A request header with a deadline of 1 s, which passes during the COMMIT."""


class SilentAtCommit(Relay):
    """A TCP relay that forwards a COMMIT to PostgreSQL but drops the reply, so that the outcome stays unknown."""

    async def _pump(self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if number not in self._forgotten:
                target.write(data)
            if b"COMMIT;" in data:
                self._forgotten.add(number)
        target.close()


def build_notes(url: str) -> FastAPI:
    """Return the service with a route that inserts a row into the table `notes`."""
    app = create_app(make_settings(url))

    @app.post("/notes", status_code=201)
    async def add(session: WriteSession) -> None:
        await session.execute(text("INSERT INTO notes VALUES (1)"))

    return app


async def test_a_commit_that_outlasts_the_deadline_is_answered_by_its_outcome(committed_url: str) -> None:
    """If the service did not wait for the COMMIT, the client would get a 504 although the row is stored."""
    await run_statement(committed_url, SLOW_COMMIT)
    app = build_notes(committed_url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        await app.state.resources.reader.scalar(text("SELECT 1"))
        answer = await asyncio.create_task(client.post("/notes", headers=HURRY))
        stored = await app.state.resources.reader.scalar(text("SELECT count(*) FROM notes"))

    assert (answer.status_code, stored) == (201, 1)


async def test_after_the_answer_to_a_commit_the_deadline_holds_again(committed_url: str) -> None:
    """A COMMIT may outlast the deadline of a request, but the work after the COMMIT ends at the deadline."""
    app = create_app(make_settings(committed_url, **LONG_TIMEOUTS))

    @app.post("/slow")
    async def write_and_wait(transactions: TransactionsDep) -> None:
        async with transactions() as session:
            await session.execute(text("CREATE TABLE notes (id int)"))
        await asyncio.sleep(100)

    async with app.router.lifespan_context(app), client_of(app) as client:
        started = time.monotonic()
        answer = await asyncio.create_task(client.post("/slow", headers=HURRY))
        took = time.monotonic() - started

    assert (answer.status_code, answer.json()["code"]) == (504, "outcome_unknown")
    assert took < 20  # the deadline is 1 s; the command timeout, which a COMMIT may take, is 55 s


@pytest.mark.parametrize("hurry", [{}, HURRY], ids=["in time", "past the deadline"])
async def test_a_commit_without_an_answer_is_504_with_a_code_of_its_own(
    committed_url: str, hurry: dict[str, str]
) -> None:
    await run_statement(committed_url, "CREATE TABLE notes (id int)")
    relay = SilentAtCommit(committed_url)
    async with relay.listening() as url:
        app = build_notes(f"{url}?sslmode=disable")
        async with app.router.lifespan_context(app), client_of(app) as client:
            await app.state.resources.reader.scalar(text("SELECT 1"))
            answer = await asyncio.create_task(client.post("/notes", headers=hurry))
            stored = await app.state.resources.readiness.reader.scalar(text("SELECT count(*) FROM notes"))

    assert (answer.status_code, answer.json()["code"], stored) == (504, "outcome_unknown", 1)

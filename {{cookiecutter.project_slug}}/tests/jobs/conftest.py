"""Fixtures for tests of jobs: a worker in this process, on a database where commits are real."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database.transaction import transaction
from app.jobs.enqueue import Enqueued, enqueue
from app.jobs.registry import Kind
from app.jobs.worker import Worker
from app.resources import Resources
from app.settings.jobs import JobsSettings
from tests.databases import make_settings
from tests.jobs.kinds import SEEN, Note

SECONDS = 30.0
"""The longest wait for a state, on a machine with many other programs."""

QUICK = JobsSettings(heartbeat_seconds=1, stop_seconds=0.2, poll_seconds=0.2)


@pytest.fixture
def seen() -> list[str]:
    """The list of what the functions of `kinds.py` have seen, emptied."""
    SEEN.clear()
    return SEEN


@asynccontextmanager
async def working(
    url: str,
    jobs: JobsSettings = QUICK,
    *outside: Any,  # noqa: ANN401 - as `Worker` has it
    **changes: Any,  # noqa: ANN401 - each setting has a type of its own
) -> AsyncGenerator[None]:
    """Run a worker on a database during the block."""
    stop = asyncio.Event()
    worker = Worker(make_settings(url, jobs=jobs, **changes), *outside)
    task = asyncio.create_task(worker.run(stop))
    await asyncio.wait({task, asyncio.create_task(worker.started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.fixture
async def worker(committed_url: str) -> AsyncGenerator[None]:
    """Run a worker on the database of the test."""
    async with working(committed_url):
        yield


async def put(app: FastAPI, kind: Kind[Any], note: str = "", **options: Any) -> Enqueued:  # noqa: ANN401 - as `enqueue` has them
    """Enqueue a job in a transaction of its own."""
    async with transaction(resources_of(app).write_sessions) as session:
        return await enqueue(session, kind, Note(text=note), **options)


def resources_of(app: FastAPI) -> Resources:
    resources: Resources = app.state.resources
    return resources


async def row_of(app: FastAPI, job_id: UUID) -> dict[str, Any]:
    """Return the row of a job."""
    statement = text("SELECT * FROM jobs WHERE id = :id")
    return dict((await resources_of(app).reader.execute(statement, {"id": job_id})).mappings().one())


async def count(app: FastAPI, sql: str) -> int:
    """Return the number that a statement selects."""
    found: int = (await resources_of(app).reader.execute(text(sql))).scalar_one()
    return found


async def until(app: FastAPI, job_id: UUID, *states: str) -> dict[str, Any]:
    """Wait until a job has one of these states, and return its row."""

    async def reached() -> bool:
        return (await row_of(app, job_id))["state"] in states

    await waits(reached)
    return await row_of(app, job_id)


async def waits(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(SECONDS):
        while not await condition():  # noqa: ASYNC110 - a worker changes the rows, and sets no event here
            await asyncio.sleep(0.02)


async def saw(*lines: str) -> None:
    """Wait until the functions of `kinds.py` have seen these lines."""

    async def reached() -> bool:
        return list(lines) == SEEN

    await waits(reached)

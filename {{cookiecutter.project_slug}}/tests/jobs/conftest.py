"""Fixtures for tests of jobs: a job worker inside the test process, on a database with real commits."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
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
"""The longest wait for a job's state, or for the end of a worker, in seconds, on a busy machine."""

QUICK = JobsSettings(heartbeat_seconds=1, stop_seconds=0.2, poll_seconds=0.2)


@pytest.fixture
def seen() -> list[str]:
    """The lines that the tests' job functions record; the list is empty at the start of a test."""
    SEEN.clear()
    return SEEN


@asynccontextmanager
async def working(
    url: str,
    jobs: JobsSettings = QUICK,
    *outside: Any,  # noqa: ANN401 - passed on to `Worker`
    worker_class: type[Worker] = Worker,
    **changes: Any,  # noqa: ANN401 - Any, as settings have several types
) -> AsyncGenerator[None]:
    """Run a job worker on a database during the block."""
    stop = asyncio.Event()
    worker = worker_class(make_settings(url, jobs=jobs, **changes), *outside)
    task = asyncio.create_task(worker.run(stop))
    await asyncio.wait({task, asyncio.create_task(worker.started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, SECONDS)


@pytest.fixture
async def worker(committed_url: str) -> AsyncGenerator[None]:
    """A job worker on the test's database."""
    async with working(committed_url):
        yield


OWNER = "ada" if find_spec("tests.tokens") else None
"""The owner of these tests' jobs: with authentication, the subject of the client's access token."""


async def put(app: FastAPI, kind: Kind[Any], note: str = "", **options: Any) -> Enqueued:  # noqa: ANN401 - passed on to `enqueue`
    """Enqueue a job in a separate transaction."""
    async with transaction(resources_of(app).write_sessions) as session:
        return await enqueue(session, kind, Note(text=note), **{"owner": OWNER} | options)


def resources_of(app: FastAPI) -> Resources:
    resources: Resources = app.state.resources
    return resources


async def row_of(app: FastAPI, job_id: UUID) -> dict[str, Any]:
    """Return a job's row of the table `jobs` as a dictionary."""
    statement = text("SELECT * FROM jobs WHERE id = :id")
    return dict((await resources_of(app).reader.execute(statement, {"id": job_id})).mappings().one())


async def count(app: FastAPI, sql: str) -> int:
    """Return the number that an SQL query finds, such as a count of rows."""
    found: int = (await resources_of(app).reader.execute(text(sql))).scalar_one()
    return found


async def until(app: FastAPI, job_id: UUID, *states: str) -> dict[str, Any]:
    """Wait until a job has one of the given states, and return the job's row."""

    async def reached() -> bool:
        return (await row_of(app, job_id))["state"] in states

    await waits(reached)
    return await row_of(app, job_id)


async def waits(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the async function `condition` returns true."""
    async with asyncio.timeout(SECONDS):
        while not await condition():  # noqa: ASYNC110 - a worker changes the rows without an event here
            await asyncio.sleep(0.02)


async def saw(*lines: str) -> None:
    """Wait until the tests' job functions have recorded exactly these lines."""

    async def reached() -> bool:
        return list(lines) == SEEN

    await waits(reached)

"""A background task starts after its transaction's commit, and is dropped after a rollback."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app.dependencies import ResourcesDep, SupervisorDep, WriteSession
from app.errors import Conflict
from app.resources import Resources
from tests.conftest import client_of
from tests.http_client import httpx
from tests.scratch_notes import SCHEMA
from tests.tasks import until

router = APIRouter()

INSERT = text("INSERT INTO scratch_notes VALUES (:note)")
COUNT = text("SELECT count(*) FROM scratch_notes WHERE id = :note")


class Base(DeclarativeBase):
    """The declarative base of a model that the service does not have."""


class Missing(Base):
    """A model without a table, so that its flush fails."""

    __tablename__ = "missing"

    id: Mapped[int] = mapped_column(primary_key=True)


class Look(list[tuple[int, int | None]]):
    """The notes that background tasks looked for, each with the number of rows found."""

    async def for_row(self, resources: Resources, note: int) -> None:
        """Record how many rows of a note a separate connection sees."""
        self.append((note, await resources.reader.scalar(COUNT, {"note": note})))


seen = Look()


def fail(_session: Session) -> None:
    """Raise an error at the end of a rollback, before SQLAlchemy reports the rollback."""
    raise RuntimeError("the rollback failed")


@router.post("/notes/{note}", status_code=201)
async def add(supervisor: SupervisorDep, session: WriteSession, resources: ResourcesDep, note: int, way: str) -> None:
    """Add a note, and start a background task that looks for its row; `way` selects how the request ends."""
    await session.execute(INSERT, {"note": note})
    supervisor.start("look", seen.for_row(resources, note))
    await asyncio.sleep(0.01)  # a background task that does not wait for the commit would run now
    if way == "fails to roll back":
        event.listen(session.sync_session, "after_rollback", fail)
    if way in {"raises", "fails to roll back"}:
        raise Conflict("The handler refuses.")
    if way in {"rollback", "close", "commit"}:
        await getattr(session, way)()
        supervisor.start("look", seen.for_row(resources, note))
    if way == "swallows":
        session.add(Missing(id=1))
        with suppress(DBAPIError):
            await session.flush()


@router.post("/notes/{note}/savepoints", status_code=201)
async def add_in_savepoints(
    supervisor: SupervisorDep, session: WriteSession, resources: ResourcesDep, note: int
) -> None:
    """Add two notes in separate savepoints within a third; the second savepoint is rolled back."""
    async with session.begin_nested():
        for number in (note, note + 1):
            with suppress(Conflict):
                async with session.begin_nested():
                    await session.execute(INSERT, {"note": number})
                    supervisor.start("look", seen.for_row(resources, number))
                    if number > note:
                        raise Conflict("The savepoint is rolled back.")


@router.post("/notes/{note}/fastapi", status_code=201)
async def add_with_fastapi(session: WriteSession, resources: ResourcesDep, note: int, later: BackgroundTasks) -> None:
    """Add a note, and look for its row in a background task of FastAPI."""
    await session.execute(INSERT, {"note": note})
    later.add_task(seen.for_row, resources, note)


@pytest.fixture
async def http(committed_app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of the service with the table of notes, and routes that start background tasks."""
    resources: Resources = committed_app.state.resources
    async with resources.write_sessions.begin() as session:
        for statement in SCHEMA:
            await session.execute(text(statement))
    committed_app.include_router(router)
    seen.clear()
    async with client_of(committed_app, raises_bugs=False) as client:
        yield client


async def finished(app: FastAPI) -> Look:
    """Wait for an app's background tasks, and return the rows that each task has found."""
    await until(lambda: not app.state.resources.supervisor.running)
    return seen


async def test_a_task_sees_the_row_of_its_request(http: httpx.AsyncClient, committed_app: FastAPI) -> None:
    answers = [await http.post(f"/notes/{note}?way=returns") for note in range(20)]

    assert {answer.status_code for answer in answers} == {201}
    assert await finished(committed_app) == [(note, 1) for note in range(20)]


async def test_a_task_is_dropped_when_the_request_fails_before_or_at_the_commit(
    http: httpx.AsyncClient, committed_app: FastAPI
) -> None:
    ways = ("raises", "fails to roll back", "rollback", "close", "commit", "swallows", "returns", "returns")
    answers = [await http.post(f"/notes/1?way={way}") for way in ways]

    assert [answer.status_code for answer in answers] == [409, 500, 500, 500, 500, 500, 201, 409]
    assert await finished(committed_app) == [(1, 1)]


async def test_a_task_of_a_savepoint_is_dropped_with_the_savepoint(
    http: httpx.AsyncClient, committed_app: FastAPI
) -> None:
    answer = await http.post("/notes/1/savepoints")

    assert answer.status_code == 201
    assert await finished(committed_app) == [(1, 1)]


async def test_a_task_of_fastapi_starts_after_the_commit_too(http: httpx.AsyncClient) -> None:
    answers = [await http.post("/notes/1/fastapi") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 409]
    assert seen == [(1, 1)]

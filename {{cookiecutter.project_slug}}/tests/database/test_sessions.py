"""ReadSession and WriteSession on a table of notes, in a database that only these tests use."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from starlette.responses import Response
from starlette.types import Message

from app.resources import Resources
from tests.conftest import client_of
from tests.databases import exhausted
from tests.http_client import httpx
from tests.scratch_notes import SCHEMA, router
from tests.serving import served


@pytest.fixture
async def notes(committed_app: FastAPI) -> FastAPI:
    """The service with a table of notes, whose constraint is checked at commit, and routes that use this table."""
    resources: Resources = committed_app.state.resources
    async with resources.write_sessions.begin() as session:
        for statement in SCHEMA:
            await session.execute(text(statement))
    committed_app.include_router(router)
    return committed_app


@pytest.fixture
async def http(notes: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of the service with the table of notes."""
    async with client_of(notes, raises_bugs=False) as client:
        yield client


async def test_a_commit_that_fails_is_409_and_leaves_no_row(http: httpx.AsyncClient) -> None:
    await http.post("/notes/1")

    answer = await http.post("/notes/1")

    assert answer.status_code == 409
    assert answer.json()["detail"] == "This contradicts what is already stored."
    assert (await http.get("/notes/1")).json() == 1


async def test_an_exception_in_a_handler_leaves_no_row(http: httpx.AsyncClient) -> None:
    answer = await http.post("/notes/2/then-fail")

    assert answer.status_code == 500
    assert (await http.get("/notes/2")).json() == 0


async def test_a_swallowed_error_does_not_become_a_201_without_a_row(http: httpx.AsyncClient) -> None:
    """PostgreSQL answers the COMMIT of a failed transaction with a rollback, not an error; the response must be 500."""
    answer = await http.post("/notes/5/swallowed")

    assert answer.status_code == 500
    assert (await http.get("/notes/5")).json() == 0


async def test_a_session_that_is_used_after_its_end_raises(notes: FastAPI, http: httpx.AsyncClient) -> None:
    """A background task that uses the session of a finished request gets an error.

    Without the error, the task would write without a commit, and keep its connection.
    """
    raised: list[type[Exception]] = []

    async def note(_request: Request, error: Exception) -> Response:
        raised.append(type(error))
        return Response()

    notes.add_exception_handler(Exception, note)
    answer = await http.post("/notes/6/in-background")

    resources: Resources = notes.state.resources
    assert (answer.status_code, raised) == (201, [InvalidRequestError])
    assert resources.engine.pool.checkedout() == 0  # type: ignore[attr-defined] # SQLAlchemy's base class of pools has no `checkedout`


async def test_a_row_is_readable_as_soon_as_its_response_has_arrived(notes: FastAPI) -> None:
    """If a write's response came before the commit, some of 300 reads on a second connection would miss the row."""
    misses = 0
    async with (
        served(notes) as url,
        httpx.AsyncClient(base_url=url) as writer,
        httpx.AsyncClient(base_url=url) as reader,
    ):
        for note in range(300):
            created = await writer.post(f"/notes/{note}")
            misses += created.status_code != 201 or (await reader.get(f"/notes/{note}")).json() != 1

    assert misses == 0


@pytest.mark.parametrize("path", ["/write-through-read/3", "/write-through-snapshot/3"])
async def test_a_write_through_a_session_for_reading_is_an_error(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)

    assert answer.status_code == 500
    assert (await http.get("/notes/3")).json() == 0


async def test_a_snapshot_is_one_repeatable_read_transaction(http: httpx.AsyncClient) -> None:
    level, first, second = (await http.get("/snapshot")).json()

    assert level == "repeatable read"
    assert first == second


@pytest.mark.parametrize(("method", "path"), [("GET", "/notes/4"), ("POST", "/notes/4"), ("GET", "/snapshot")])
async def test_the_connection_is_back_before_the_response_starts(notes: FastAPI, method: str, path: str) -> None:
    resources: Resources = notes.state.resources
    held: dict[str, int] = {}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        held[message["type"]] = resources.engine.pool.checkedout()  # type: ignore[attr-defined] # SQLAlchemy's base class of pools has no `checkedout`

    await notes(_scope(method, path), receive, send)

    assert held == {"http.response.start": 0, "http.response.body": 0}


def _scope(method: str, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("service", 80),
    }


async def test_the_bounds_of_a_connection_are_set_on_the_server(notes: FastAPI) -> None:
    resources: Resources = notes.state.resources
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "TimeZone")
    find = text("SELECT current_setting(:name)")
    found = [await resources.reader.scalar(find, {"name": name}) for name in names]

    assert found == ["1500ms", "2500ms", "1h", "UTC"]  # idle_in_transaction_session_timeout is 3s in production


async def test_the_error_of_a_failed_statement_does_not_show_its_values(notes: FastAPI) -> None:
    resources: Resources = notes.state.resources
    with pytest.raises(DBAPIError) as failure:
        await resources.reader.execute(text("SELECT :value, nonsense"), {"value": "canary"})

    assert "canary" not in str(failure.value)


async def test_a_pool_that_stays_empty_is_503_with_retry_after(notes: FastAPI, http: httpx.AsyncClient) -> None:
    resources: Resources = notes.state.resources
    # The limit of 20 s is less than SQLAlchemy's own queue timeout (30 s), and 20 times the service's queue timeout.
    async with asyncio.timeout(20), exhausted(resources):
        answer = await http.get("/notes/1")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"

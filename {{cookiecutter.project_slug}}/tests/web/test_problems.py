"""Problem responses: every error is problem JSON with a request id, and without internal details."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from tests.conftest import client_of
from tests.databases import make_settings
from tests.failing_routes import router
from tests.http_client import httpx
from tests.serving import served


@pytest.fixture
async def app_with_failures(shared_url: str) -> AsyncGenerator[FastAPI]:
    """The service with routes that fail in different ways, and short database timeouts for slow statements."""
    settings = make_settings(shared_url, database_lock_timeout_seconds=0.2, database_statement_timeout_seconds=0.3)
    app = create_app(settings)
    app.include_router(router)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def http(app_with_failures: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of the service whose routes fail in different ways."""
    async with client_of(app_with_failures, raises_bugs=False) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "detail"),
    [
        ("GET", "/nowhere", 404, "not_found", "Not Found"),
        ("PUT", "/bug", 405, "method_not_allowed", "Method Not Allowed"),
        ("GET", "/not-found", 404, "not_found", "There is no such thing."),
        ("GET", "/unavailable", 503, "unavailable", "A part is away."),
        ("GET", "/group", 409, "conflict", "One of two failed."),
        ("GET", "/bug", 500, "internal_error", "The service failed. Quote the request id when you report it."),
        ("GET", "/sql?statement=SELECT 1/0", 500, "internal_error", None),
        ("GET", "/numbers/99999999999", 422, "invalid_request", "A value does not fit its column."),
        ("GET", "/sql?statement=SELECT pg_sleep(1)", 503, "unavailable", "The database stopped the statement."),
        ("GET", "/timeout", 503, "unavailable", "The service could not finish in time. Try again."),
        ("GET", "/group/nested", 404, "not_found", "Deep inside."),
        ("GET", "/group/with-a-bug", 500, "internal_error", None),
        ("GET", "/odd-status", 499, "http_499", "The client is gone."),
        ("GET", "/unloggable", 500, "internal_error", None),
        ("GET", "/sql?statement=SELECT nonsense", 500, "internal_error", None),
    ],
)
async def test_an_error_is_a_problem(  # noqa: PLR0913, PLR0917 - one parameter for each column of the table above
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str, detail: str | None
) -> None:
    answer = await http.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert detail is None or answer.json()["detail"] == detail
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "internals" not in answer.text


async def test_the_whole_body_of_a_problem(http: httpx.AsyncClient) -> None:
    answer = await http.get("/not-found", headers={"X-Request-ID": "caller-0001"})

    assert answer.json() == {
        "type": "about:blank",
        "code": "not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such thing.",
        "request_id": "caller-0001",
    }


async def test_the_connection_stays_open_after_an_unhandled_exception(app_with_failures: FastAPI) -> None:
    """After an exception, Starlette sends the 500 and raises the exception again, so uvicorn would disconnect."""
    request = b"GET /%s HTTP/1.1\r\nhost: service\r\n\r\n"
    async with served(app_with_failures) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        first_lines = []
        for path in (b"bug", b"health/live"):
            writer.write(request % path)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            first_lines.append(head.partition(b"\r\n")[0])
        writer.close()

    assert first_lines == [b"HTTP/1.1 500 Internal Server Error", b"HTTP/1.1 200 OK"]


class Tracker:
    """An error tracker as ASGI middleware, which records each exception that passes, like Sentry's."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self.app, self.seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and record an exception that the application raises."""
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            self.seen.append(str(error))
            raise


async def test_an_error_tracker_sees_each_unhandled_exception_once_and_no_expected_error(
    app_with_failures: FastAPI,
) -> None:
    seen: list[str] = []
    app_with_failures.add_middleware(Tracker, seen)
    async with client_of(app_with_failures, raises_bugs=False) as client:
        answers = [await client.get(path) for path in ("/bug", "/not-found", "/unavailable", "/bug")]

    assert [answer.status_code for answer in answers] == [500, 404, 503, 500]
    assert seen == ["secret internals"] * 2


async def test_only_an_error_that_may_pass_has_a_retry_after(http: httpx.AsyncClient) -> None:
    answers = {path: await http.get(path) for path in ("/unavailable", "/not-found", "/bug")}

    assert {path: answer.headers.get("retry-after") for path, answer in answers.items()} == {
        "/unavailable": "1",
        "/not-found": None,
        "/bug": None,
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"number": "canary"}', "body.number"),
        ('{"number": 1, "canary\\u0000\\ud800": 2}', "body"),
        ('{"number": NaN, "canary": ', "body"),
        ('{"number": "\\ud800canary"}', "body.number"),
        ("[]", "body"),
        ('{"number": 1, "canary": 2}', "body"),
        ('{"number": 1, "canary \\u0000": 2}', "body"),
    ],
)
async def test_a_rejected_value_is_never_echoed(http: httpx.AsyncClient, body: str, field: str) -> None:
    answer = await http.post("/strict", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert "canary" not in answer.text


async def test_an_invalid_request_shows_the_first_twenty_problems_and_their_count(http: httpx.AsyncClient) -> None:
    answer = (await http.post("/strict", json={"number": 1} | {f"unknown {n}": 0 for n in range(500)})).json()

    assert (len(answer["errors"]), answer["error_count"]) == (20, 500)


async def test_an_unknown_tag_is_not_echoed(http: httpx.AsyncClient) -> None:
    answer = await http.post("/tagged", json={"kind": "canary"})

    assert answer.json()["errors"] == [{"field": "body", "reason": "Input has an unknown tag"}]


async def test_without_a_database_the_answer_is_503(app_without_database: FastAPI) -> None:
    async with client_of(app_without_database) as client:
        answer = await client.get("/sql?statement=SELECT 1")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "The database cannot be reached."


@pytest.fixture
async def app_without_database() -> AsyncGenerator[FastAPI]:
    """The service with failing routes and an unreachable database: no server listens at the URL's port."""
    app = create_app(make_settings("postgresql://app:secret@127.0.0.1:1/none"))
    app.include_router(router)
    async with app.router.lifespan_context(app):
        yield app

"""Every error is problem JSON with a request id, and tells nothing that is internal."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from fastapi import FastAPI

from app.downstreams.client import httpx
from app.main import create_app
from tests.conftest import client_of
from tests.databases import make_settings
from tests.failing_routes import router
from tests.serving import served


@pytest.fixture
async def app_with_failures(shared_url: str) -> AsyncGenerator[FastAPI]:
    """An app with routes that fail."""
    settings = make_settings(shared_url, database_lock_seconds=0.2, database_statement_seconds=0.3)
    app = create_app(settings)
    app.include_router(router)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def http(app_with_failures: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of that app."""
    async with client_of(app_with_failures) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "detail"),
    [
        ("GET", "/nowhere", 404, "Not Found", "Not Found"),
        ("PUT", "/bug", 405, "Method Not Allowed", "Method Not Allowed"),
        ("GET", "/not-found", 404, "Not found", "There is no such thing."),
        ("GET", "/unavailable", 503, "Service unavailable", "A part is away."),
        ("GET", "/group", 409, "Conflict", "One of two failed."),
        ("GET", "/bug", 500, "Internal error", "The service failed. Quote the request id when you report it."),
        ("GET", "/sql?statement=SELECT 1/0", 422, "Invalid request", "A value does not fit its column."),
        ("GET", "/sql?statement=SELECT pg_sleep(1)", 503, "Service unavailable", "The database stopped the statement."),
        ("GET", "/timeout", 503, "Service unavailable", "The service could not finish in time. Try again."),
        ("GET", "/group/nested", 404, "Not found", "Deep inside."),
        ("GET", "/group/with-a-bug", 500, "Internal error", None),
        ("GET", "/odd-status", 499, "Error", "The client is gone."),
        ("GET", "/unloggable", 500, "Internal error", None),
        ("GET", "/sql?statement=SELECT nonsense", 500, "Internal error", None),
    ],
)
async def test_an_error_is_a_problem(  # noqa: PLR0913, PLR0917 - the columns of the table above
    http: httpx.AsyncClient, method: str, path: str, status: int, title: str, detail: str | None
) -> None:
    answer = await http.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == title
    assert detail is None or answer.json()["detail"] == detail
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "internals" not in answer.text


async def test_the_whole_body_of_a_problem(http: httpx.AsyncClient) -> None:
    answer = await http.get("/not-found", headers={"X-Request-ID": "caller-0001"})

    assert answer.json() == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such thing.",
        "request_id": "caller-0001",
    }


async def test_the_connection_survives_a_bug(app_with_failures: FastAPI) -> None:
    """Starlette answers a bug and raises it again; uvicorn then drops the connection under the next request."""
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


async def test_a_retry_is_only_promised_where_it_can_help(http: httpx.AsyncClient) -> None:
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
        ('{"number": NaN, "canary": ', "body.26"),
        ('{"number": "\\ud800canary"}', "body.number"),
        ("[]", "body"),
        ('{"number": 1, "canary": 2}', "body"),
        ('{"number": 1, "canary \\u0000": 2}', "body"),
    ],
)
async def test_a_rejected_value_is_never_repeated(http: httpx.AsyncClient, body: str, field: str) -> None:
    answer = await http.post("/strict", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert "canary" not in answer.text


async def test_a_tag_that_is_not_known_is_not_repeated(http: httpx.AsyncClient) -> None:
    answer = await http.post("/tagged", json={"kind": "canary"})

    assert answer.json()["errors"] == [{"field": "body", "reason": "Input has an unknown tag"}]


async def test_openapi_describes_errors_as_problems(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()

    responses = document["paths"]["/strict"]["post"]["responses"]
    reference = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert {status: responses[status]["content"] for status in responses if status != "200"} == {
        "400": reference,
        "413": reference,
        "415": reference,
        "422": reference,
        "500": reference,
        "503": reference,
    }
    assert {"Problem", "FieldProblem"} <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_without_a_database_the_answer_is_503(app_without_database: FastAPI) -> None:
    async with client_of(app_without_database) as client:
        answer = await client.get("/sql?statement=SELECT 1")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "The database cannot be reached."


@pytest.fixture
async def app_without_database() -> AsyncGenerator[FastAPI]:
    """An app whose database port is closed."""
    app = create_app(make_settings("postgresql://nobody:nothing@127.0.0.1:1/none"))
    app.include_router(router)
    async with app.router.lifespan_context(app):
        yield app

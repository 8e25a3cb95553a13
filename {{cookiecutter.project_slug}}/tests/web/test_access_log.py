"""The access log: one line per response, read from the output of a new process, as in production."""

import json
import subprocess
import sys
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.types import Message, Receive, Scope, Send

from app.web.access_log import route_of
from tests.databases import ROOT
from tests.http_client import httpx

SERVE = """
import asyncio, sys
from app.web.access_log import AccessLog
from app.observability import logs

async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}

async def send(message):
    pass

async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"do", "more_body": True})
    await send({"type": "http.response.body", "body": b"ne"})

async def answer_then_work(scope, receive, send):
    await answer(scope, receive, send)
    logs.output.put(b'{"event": "in the background"}')

async def leave(scope, receive, send):
    pass

logs.configure(level="info", log_format="json")
asyncio.run(AccessLog(WORK)({"type": "http", "path": "/somewhere" * 800, "method": "GET"}, receive, send))
"""


def log_lines(work: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-c", SERVE.replace("WORK", work)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in process.stdout.splitlines()]


@pytest.mark.parametrize(("work", "status", "size"), [("answer", 200, 4), ("leave", None, 0)])
def test_each_request_has_one_log_line(work: str, status: int | None, size: int) -> None:
    (line,) = log_lines(work)

    assert (line["event"], line["status"], line["bytes"], len(line["path"])) == ("request", status, size, 256)


def test_the_line_does_not_wait_for_background_tasks() -> None:
    assert [line["event"] for line in log_lines("answer_then_work")] == ["request", "in the background"]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/own/7", "/own/{number}"),
        ("GET", "/api/v1/things/7", "/api/v1/things/{number}"),
        ("GET", "/api/v2/v1/things/7", "/api/v2/v1/things/{number}"),
        ("PUT", "/api/v1/things/7", "/api/v1/things/{number}"),
        ("GET", "/api/v1/nothing", None),
    ],
)
async def test_the_route_is_the_whole_template_also_in_nested_routers(
    method: str, path: str, route: str | None
) -> None:
    """The log shows the whole route template: FastAPI's `scope["route"].path` lacks the prefixes of outer routers."""
    inner, outer, app = APIRouter(prefix="/v1"), APIRouter(prefix="/api"), FastAPI()
    seen = []

    @inner.get("/things/{number}")
    @app.get("/own/{number}")
    async def thing(number: int) -> int:
        return number

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            seen.append(route_of(scope))
            await send(message)

        await app(scope, receive, note)

    outer.include_router(inner)
    outer.include_router(inner, prefix="/v2")
    app.include_router(outer)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(noting), base_url="http://service") as client:
        await client.request(method, path)

    assert set(seen) == {route}

"""The access line is about the answer; in a process of its own, where nothing captures it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.databases import ROOT

SERVE = """
import asyncio, sys
from app.middleware.access_log import AccessLog
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
asyncio.run(AccessLog(WORK)({"type": "http", "path": "/somewhere", "method": "GET"}, receive, send))
"""


def lines_of(work: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-c", SERVE.replace("WORK", work)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("work", "status", "size"), [("answer", 200, 4), ("leave", None, 0)])
def test_each_request_has_one_line(work: str, status: int | None, size: int) -> None:
    (line,) = lines_of(work)

    assert (line["event"], line["status"], line["bytes"]) == ("request", status, size)


def test_the_line_does_not_wait_for_background_tasks() -> None:
    assert [line["event"] for line in lines_of("answer_then_work")] == ["request", "in the background"]

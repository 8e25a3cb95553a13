"""The access line is about the answer; what `server/test_gunicorn.py` reads is the line itself."""

import asyncio

from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.middleware.access_log import AccessLog


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Message) -> None:
    """Drop it."""


async def test_the_line_does_not_wait_for_background_tasks() -> None:
    answered = asyncio.Event()

    async def answer_then_work(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"do", "more_body": True})
        await send({"type": "http.response.body", "body": b"ne"})
        answered.set()
        await asyncio.sleep(60)

    with capture_logs() as lines:
        scope = {"type": "http", "path": "/somewhere", "method": "GET"}
        asking = asyncio.create_task(AccessLog(answer_then_work)(scope, receive, send))
        await asyncio.wait_for(answered.wait(), 5)
        written = len(lines)
        asking.cancel()
        await asyncio.wait({asking})

    assert written == 1
    assert [(line["event"], line["status"], line["bytes"]) for line in lines] == [("request", 200, 4)]


async def test_an_answer_that_never_started_has_a_line_too() -> None:
    async def leave(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer nothing."""

    with capture_logs() as lines:
        await AccessLog(leave)({"type": "http", "path": "/somewhere", "method": "GET"}, receive, send)

    assert [line["status"] for line in lines] == [None]

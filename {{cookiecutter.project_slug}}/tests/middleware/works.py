"""A server that asks one application one thing, and works that answer it, late or never."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Scope, Send

from app.deadline import seconds_left
from app.families import Families, FamiliesSettings, Family
from app.middleware.deadline import Deadline

Work = Callable[[Send], Awaitable[None]]
LIMIT = 0.1


class Server:
    """Asks an application as uvicorn does, and keeps what it sent and how its work ended."""

    def __init__(self, work: Work, *, family: Family | None = None) -> None:
        others = family or Family(deadline_seconds=LIMIT)
        self._work = work
        self.app = Deadline(self._run, Families(FamiliesSettings(others=others)))
        self.sent: list[Message] = []
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.left: float | None = None

    async def _run(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.left = seconds_left(1000.0)
        try:
            await self._work(send)
        finally:
            self.ended.set()

    async def ask(self, **headers: str) -> list[int]:
        """Return the statuses that were sent: one, or nobody can read the answer."""
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        async with asyncio.timeout(5):
            await self.app(
                {"type": "http", "path": "/somewhere", "method": "GET", "headers": raw}, _receive, self._send
            )
        return [message["status"] for message in self.sent if message["type"] == "http.response.start"]

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.answered.set()


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def answer(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def never(_send: Send) -> None:
    await asyncio.Event().wait()

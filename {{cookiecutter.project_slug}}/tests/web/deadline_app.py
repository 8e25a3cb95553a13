"""A small fake server around the deadline middleware, with handlers that answer or hang, for tests of deadlines."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Scope, Send

from app.request.deadline import seconds_left
from app.settings.route_groups import RouteGroup
from app.web.deadline import Deadline

Handler = Callable[[Send], Awaitable[None]]
LIMIT = 0.1


class Server:
    """A fake of uvicorn: runs a request through the deadline middleware, and records the sent messages.

    The event `answered` is set at the end of the response, and `ended` at the end of the handler.
    """

    def __init__(self, handler: Handler, *, route_group: RouteGroup | None = None) -> None:
        others = route_group or RouteGroup(deadline_seconds=LIMIT)
        self._handler = handler
        self.app = Deadline(self._run, lambda _scope: others.deadline_seconds)
        self.sent: list[Message] = []
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.left: float | None = None

    async def _run(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.left = seconds_left(1000.0)
        try:
            await self._handler(send)
        finally:
            self.ended.set()

    async def request(self, **headers: str) -> list[int]:
        """Send a request, and return the statuses of all response starts; a correct middleware sends exactly one."""
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

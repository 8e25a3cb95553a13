"""One log line for each request: what was asked, what was answered, how long it took."""

from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUIET_PREFIX = "/health/"  # asked every few seconds by every balancer; written at debug level

log = structlog.get_logger("access")


class AccessLog:
    """Write the line when the answer is complete, or when it ended early."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        line = _Line(scope, send)
        try:
            await self.app(scope, receive, line.send)
        finally:
            line.write()


class _Line:
    """Watches one answer, and writes its line once."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._begin = perf_counter()
        self._status: int | None = None  # stays None when no answer was started
        self._size = 0
        self._written = False

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            await self._send(message)
            return
        body = message["type"] == "http.response.body"
        if body:
            self._size += len(message.get("body", b""))
        await self._send(message)
        if body and not message.get("more_body", False):
            self.write()  # background tasks come after, and nobody waits for them

    def write(self) -> None:
        """Write the line unless it is there."""
        if self._written:
            return
        self._written = True
        path = self._scope["path"]  # without the query: people put secrets there
        write = log.debug if path.startswith(QUIET_PREFIX) else log.info
        write(
            "request",
            method=self._scope["method"],
            path=path,
            status=self._status,
            bytes=self._size,
            milliseconds=round((perf_counter() - self._begin) * 1000, 2),
        )

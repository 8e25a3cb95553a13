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
        started = perf_counter()
        status: int | None = None  # stays None when no answer was started
        size = 0
        ended: float | None = None

        async def watch(message: Message) -> None:
            nonlocal status, size, ended
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                ended = perf_counter()  # background tasks come after, and nobody waits for them

        try:
            await self.app(scope, receive, watch)
        finally:
            write = log.debug if scope["path"].startswith(QUIET_PREFIX) else log.info
            write(
                "request",
                method=scope["method"],
                path=scope["path"],  # without the query: people put secrets there
                status=status,
                bytes=size,
                milliseconds=round(((ended or perf_counter()) - started) * 1000, 2),
            )

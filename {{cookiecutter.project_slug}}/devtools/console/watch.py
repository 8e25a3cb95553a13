"""Middleware that records the last requests with their SQL statements, the last stalls, and the event loop lag."""

from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import count
from time import perf_counter
from typing import Any

from sqlalchemy import event
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability.stacks import Sample
from app.resources import Resources
from app.web.access_log import route_of

MAX_STATEMENTS, MAX_TEXT = 30, 500
"""Bounds of the record of a request: the number of SQL statements, and the characters of each text."""

current: ContextVar[list[str] | None] = ContextVar("console_statements", default=None)
"""The SQL statements of the current request; beyond MAX_STATEMENTS, empty strings only count further statements."""


def clock() -> str:
    """Return the time of day as text."""
    return datetime.now(UTC).astimezone().strftime("%H:%M:%S")


class Watch:
    """ASGI middleware around the service that records the last HTTP requests, SQL statements and event loop stalls."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.requests: deque[dict[str, Any]] = deque(maxlen=100)
        self.stalls: deque[dict[str, Any]] = deque(maxlen=20)
        self.lags: deque[float] = deque([0.0], maxlen=40)  # lags of the last second, a measurement each 25 ms
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and record it once its response is complete, without waiting for background tasks."""
        sql: list[str] = []
        seen: dict[str, Any] = {"number": next(self._numbers), "at": clock(), "status": None, "timing": ""}
        seen |= {"method": scope["method"], "path": scope["path"][:MAX_TEXT]}
        began, token = perf_counter(), current.set(sql)

        def end() -> None:
            if "milliseconds" not in seen:
                seen["milliseconds"] = round((perf_counter() - began) * 1000, 1)
                seen.update(route=route_of(scope) or "unmatched", statements=len(sql), sql=sql[:MAX_STATEMENTS])
                self.requests.append(seen)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                seen["timing"] = Headers(raw=list(message["headers"])).get("server-timing", "")[:MAX_TEXT]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                end()

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            current.reset(token)
            end()

    def attach(self, resources: Resources) -> None:
        """Subscribe to the service's SQL statements and loop monitor, after the lifespan has opened the resources."""
        event.listen(resources.engine.sync_engine, "before_cursor_execute", lambda *given: note_statement(given[2]))
        resources.reader.observers.append(lambda text, *_: note_statement(text))
        monitor = resources.loop_monitor
        monitor.observe = both(monitor.observe, self.lags.append)
        monitor.report = both(monitor.report, self._note_stall)

    def _note_stall(self, _event: str, seconds: float, sample: Sample | None) -> None:
        """Record a stall of the event loop; called in the loop monitor's thread."""
        what = f"{sample.method} {sample.path}" if sample and sample.path else "no request"
        stack = sample.stack if sample else "no stack was sampled"
        self.stalls.append({"at": clock(), "milliseconds": round(seconds * 1000), "what": what, "stack": stack})


def note_statement(text: str) -> None:
    """Record an SQL statement for the current request."""
    if (sql := current.get()) is not None:
        sql.append(text[:MAX_TEXT] if len(sql) < MAX_STATEMENTS else "")


def both(first: Callable[..., object], second: Callable[..., object]) -> Callable[..., Any]:
    """Return a function that calls two functions with the same arguments."""
    return lambda *arguments: (first(*arguments), second(*arguments))

"""The access log: one line per request with client, method, path, route, status, size, duration and timings.

The duration also goes into the metrics. The response header `Server-Timing` shows the timings to trusted callers, and
in development to all callers. An untrusted caller does not get the header: the time in the database may reveal whether
an account exists.
"""

from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability import logs
from app.observability.gauges import GAUGES
from app.observability.metrics import bounded, requests_of
from app.request.identity import MAX_PATH, REFUSED
from app.request.timings import Timings, timings
from app.settings.route_groups import PROBES
from app.web.trust import is_trusted

FAILED = 400
"""The lowest HTTP status of an error response."""

STATUSES = {
    "http.response.start": None,
    "websocket.accept": 101,
    "websocket.close": 403,
    "websocket.http.response.start": None,
}
"""The ASGI messages that start a response. The value is the HTTP status to log if the message itself has no status."""

SERVER_TIMING = b"server-timing"
TIMINGS = b'db;dur=%.2f, wait;dur=%.2f, downstream;dur=%.2f, app;dur=%.2f, statements;desc="%d"'
"""The value of the response header Server-Timing: four durations in milliseconds, and the number of SQL statements."""

log = structlog.get_logger("access")


class AccessLog:
    """ASGI middleware that counts each request and writes the access log line, after a complete or cut-off response."""

    def __init__(self, app: ASGIApp, *, development: bool = False) -> None:
        self.app = app
        self.development = development
        self.active = 0
        GAUGES["http_server_active_requests"] = "Requests in flight.", lambda: self.active

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and write the access log line even if the application raises."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        line = _Line(scope, send, shows_timings=self.development or is_trusted(scope))
        token = timings.set(line.timings)
        self.active += 1
        try:
            await self.app(scope, receive, line.send)
        finally:
            self.active -= 1
            timings.reset(token)
            line.write()


class _Line:
    """The access log line of one request, written once."""

    def __init__(self, scope: Scope, send: Send, *, shows_timings: bool) -> None:
        self.timings = Timings()
        self._scope = scope
        self._send = send
        self._shows_timings = shows_timings
        self._begin = perf_counter()
        self._status: int | None = None  # the HTTP status; None if no response has started
        self._size = 0
        self._written = False

    async def send(self, message: Message) -> None:
        """Pass an ASGI message of the response on, record status and size, and write the log line after the last."""
        if message["type"] in STATUSES and self._status is None:
            self._status = message.get("status", STATUSES[message["type"]])
            if self._shows_timings and message["type"] == "http.response.start":
                until_now = self.timings.milliseconds(perf_counter() - self._begin)[1:]
                shown = TIMINGS % (*until_now, self.timings.statements)  # browsers' developer tools show Server-Timing
                message["headers"] = [*message.get("headers", ()), (SERVER_TIMING, shown)]
        body = message["type"] in {"http.response.body", "websocket.http.response.body"}
        if body:
            self._size += len(message.get("body", b""))
        await self._send(message)
        if body and not message.get("more_body", False):
            self.write()  # the line is written before FastAPI runs background tasks, whose time does not count

    def write(self) -> None:
        """Count the request in the metrics and write the access log line, on the first call only."""
        if self._written or self._scope.get(REFUSED):
            return
        self._written = True
        seconds, route = perf_counter() - self._begin, route_of(self._scope)
        if self._scope["type"] == "http":
            requests_of(self._scope["method"], route, self._status)(seconds)
        path = self._scope["path"]  # the path without the URL's query, which may contain secrets
        # A successful health probe is logged at debug level only: load balancers send a probe every few seconds.
        quiet = path in PROBES and self._status is not None and self._status < FAILED
        client = self._scope.get("client")
        total, database, waiting, downstreams, own = self.timings.milliseconds(seconds)
        line = {
            "method": self._scope.get("method", "GET"),  # a WebSocket has no method, and its handshake is a GET
            "path": path[:MAX_PATH],
            "status": self._status,
            "milliseconds": total,
            "db_milliseconds": database,
            "wait_milliseconds": waiting,
            "downstream_milliseconds": downstreams,
            "app_milliseconds": own,
            "statements": self.timings.statements,
            "bytes": self._size,
            "route": route,
            "client": client and client[0],
            "event": "request",
        }
        if quiet:
            log.debug(**line)
        else:
            logs.write(line)


def route_of(scope: Scope) -> str | None:
    """Return the template of the route that served a request, such as `/api/v1/things/{thing_id}`; None for no route.

    FastAPI's `scope["route"]` has the path without the prefixes of routers; the effective route context has the whole
    path. Inside a mounted application both lack the mount's prefix, which is added here. That prefix may contain values
    of parameters, so `bounded` limits the number of different results.
    """
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    found: str | None = getattr(route, "path_format", None)
    mount = scope.get("root_path", "").removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
    return bounded(f"{mount}{found}") if found and mount else found

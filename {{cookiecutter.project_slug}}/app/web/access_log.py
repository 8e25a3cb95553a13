"""The access log: one line per request with client, method, path, route, status, size and duration.

The durations go into the metrics too.
"""

from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability import logs
from app.observability.metrics import active_requests, bounded, requests_of
from app.request.identity import MAX_PATH, REFUSED
from app.settings.route_groups import PROBES

FAILED = 400
"""The lowest HTTP status of an error response."""

STATUSES = {
    "http.response.start": None,
    "websocket.accept": 101,
    "websocket.close": 403,
    "websocket.http.response.start": None,
}
"""The ASGI messages that start a response, with the status to log where the message itself has none."""

log = structlog.get_logger("access")


class AccessLog:
    """ASGI middleware that counts each request and writes the access log line, after a complete or cut-off response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and write the access log line even if the application raises."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        line = _Line(scope, send)
        active_requests.inc()
        try:
            await self.app(scope, receive, line.send)
        finally:
            active_requests.dec()
            line.write()


class _Line:
    """The access log line of one request, written once."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._begin = perf_counter()
        self._status: int | None = None  # None when no response has started
        self._size = 0
        self._written = False

    async def send(self, message: Message) -> None:
        """Pass a message of the response on, record status and size, and write the line after the last message."""
        if message["type"] in STATUSES and self._status is None:
            self._status = message.get("status", STATUSES[message["type"]])
        body = message["type"] in {"http.response.body", "websocket.http.response.body"}
        if body:
            self._size += len(message.get("body", b""))
        await self._send(message)
        if body and not message.get("more_body", False):
            self.write()  # before background tasks run, as they do not count as response time

    def write(self) -> None:
        """Count the request and write the access log line, on the first call only."""
        if self._written or self._scope.get(REFUSED):
            return
        self._written = True
        seconds, route = perf_counter() - self._begin, route_of(self._scope)
        if self._scope["type"] == "http":
            requests_of(self._scope["method"], route, self._status)(seconds)
        path = self._scope["path"]  # without the query, which may contain secrets
        # A successful probe is logged at debug level only: load balancers send a probe every few seconds.
        quiet = path in PROBES and self._status is not None and self._status < FAILED
        client = self._scope.get("client")
        line = {
            "method": self._scope.get("method", "GET"),  # a WebSocket has no method, and its handshake is a GET
            "path": path[:MAX_PATH],
            "status": self._status,
            "milliseconds": round(seconds * 1000, 2),
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
    path. Inside a mounted application both lack its prefix; a prefix may have parameters, so `bounded` counts these.
    """
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    found: str | None = getattr(route, "path_format", None)
    mount = scope.get("root_path", "").removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
    return bounded(f"{mount}{found}") if found and mount else found

"""Sets the request id and the trace of each request: taken from the request's headers, or new.

Log lines and outgoing calls carry both; the response carries the request id. The middleware also adds the security
headers, because every response of the application passes through this class.

A well-formed request id is accepted from any caller, as a client may need it to find its request in a log. A trace is
accepted from trusted callers only: a trace joins the records of several services, and decides whether they are kept.
"""

import random
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.request.identity import headers_of, request_id, request_scope
from app.request.trace import HEADER as TRACE_HEADER
from app.request.trace import STATE_HEADER, Trace, new_trace, of_span, trace
from app.request.trace import read as read_trace
from app.web.default_headers import with_defaults
from app.web.problem import problem_response
from app.web.trust import TRUSTED, TrustedCallers

STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
"""The ASGI messages that start a response. `websocket.http.response.start` refuses a WebSocket."""

TELEMETRY = "fastapi.telemetry"
"""The key in the ASGI scope under which FastAPI keeps the OpenTelemetry span of a request; absent if tracing is off.
The span continues the trace of a trusted caller only: `drop_foreign_trace` removes the trace headers of all other
callers."""

HEADER = b"x-request-id"  # header names of ASGI are lower-case bytes
# The form of a request id that is accepted from a caller. Any other value could forge log lines or be very long.
WELL_FORMED = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.\-]{7,63}")


class RequestId:
    """ASGI middleware that sets the request id and the trace while a request is served."""

    def __init__(self, app: ASGIApp, callers: TrustedCallers) -> None:
        self.app = app
        self.callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the request id and the trace, serve one request, and add id and security headers to the response."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        scope[TRUSTED] = trusted = self.callers.include(scope)
        given, came_with = read(scope)
        value = given or new_id()
        text = value.decode()
        if (telemetry := scope.get(TELEMETRY)) is not None:
            came_with = of_span(telemetry.span.get_span_context())
        elif came_with is None or not trusted:
            came_with = new_trace(text if trusted else "") if given else Trace(text, "00")
        response = _Response(value, scope, receive, send)
        tokens = request_id.set(text), trace.set(came_with), request_scope.set(scope)
        try:
            await self.app(scope, receive, response.send)
        finally:
            request_id.reset(tokens[0])
            trace.reset(tokens[1])
            request_scope.reset(tokens[2])


class _Response:
    """Adds the request id and the security headers to the response of one request.

    This is a class, because a nested function that passes itself on is in a reference cycle with the scope and the
    whole response, whose memory only the garbage collector can free.
    """

    def __init__(self, value: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        self._value, self._scope, self._receive, self._send = value, scope, receive, send
        self._started = False

    async def send(self, message: Message) -> None:
        if message["type"] in STARTS:
            self._started = True
            message["headers"] = [*with_defaults(message.get("headers", ())), (HEADER, self._value)]
        # Refuse the WebSocket here, because uvicorn's own 403 would lack the request id.
        elif message["type"] == "websocket.close" and not self._started:
            refusal = problem_response(403, "The service refuses this WebSocket.")
            await refusal(self._scope, self._receive, self.send)
            return
        await self._send(message)


def read(scope: Scope) -> tuple[bytes | None, Trace | None]:
    """Return the request id and the trace in a request's headers; None for a missing or malformed header."""
    headers = headers_of(scope)
    own, parent = headers.get(HEADER), headers.get(TRACE_HEADER)
    if own is not None and not WELL_FORMED.fullmatch(own):
        own = None
    return own, None if parent is None else read_trace(parent, headers.get(STATE_HEADER, b""))


def new_id() -> bytes:
    """Return a new request id of 32 hexadecimal digits: unique but not secret, so fast random numbers suffice."""
    return b"%032x" % random.getrandbits(128)

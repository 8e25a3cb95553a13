"""Give every request an id (the caller's, when it is well-formed), on its answer and on each of its log lines."""

import random
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability.request_id import request_id, request_scope
from app.observability.trace import HEADER as TRACE_HEADER
from app.observability.trace import STATE_HEADER, Trace, trace
from app.observability.trace import read as read_trace

HEADER = b"x-request-id"  # ASGI hands header names over as lower-case bytes
# Anything else could forge log lines or grow without bound.
WELL_FORMED = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.\-]{7,63}")


class RequestId:
    """Set the id for the time of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given, came_with = read(scope)
        value = given or new_id()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, value)]
            await send(message)

        tokens = request_id.set(value.decode()), trace.set(came_with), request_scope.set(scope)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            request_id.reset(tokens[0])
            trace.reset(tokens[1])
            request_scope.reset(tokens[2])


def read(scope: Scope) -> tuple[bytes | None, Trace | None]:
    """Return the caller's id and its trace, None for what it did not send in a form that may be repeated."""
    own, parent, states = None, None, []
    for name, value in scope["headers"]:
        if name == HEADER and WELL_FORMED.fullmatch(value):
            own = value
        elif name == TRACE_HEADER:
            parent = value
        elif name == STATE_HEADER:
            states.append(value)
    return own, parent and read_trace(parent, b",".join(states))


def new_id() -> bytes:
    """Return 32 hexadecimal digits: unique, and no secret, so no need to ask the kernel for each."""
    return b"%032x" % random.getrandbits(128)

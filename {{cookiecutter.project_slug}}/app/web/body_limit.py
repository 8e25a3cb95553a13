"""The body limit: refuses a request body that is too large, or that is compressed.

The middleware checks both the declared Content-Length and the number of received bytes. It refuses a compressed body,
because no part of the service decompresses bodies: a few kilobytes may unpack to gigabytes.

FastAPI's own `max_body_size` answers in plain text, without passing the middleware; `BodyLimit` sends problem JSON.
"""

import asyncio
import re
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.request.identity import headers_of
from app.settings.route_groups import RouteGroups
from app.web.problem import problem_response

SMALL_BYTES = 65_536
"""The largest refused body, in bytes, that is read before the 413 or 415 is sent. Only after the whole body has been
read can the client use the connection for its next request."""

SMALL_SECONDS = 1.0
"""How long, in seconds, the middleware waits for the rest of a refused body of at most SMALL_BYTES."""

BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"expect"})
# The media types that FastAPI parses as JSON; FastAPI reads the header Content-Type by `email.message`.
JSON = re.compile(r"\s*application/([^;]*\+)?json\s*(;.*)?", re.IGNORECASE | re.DOTALL)
COMPRESSED = "Compressed bodies are refused: send the body without Content-Encoding."


class BodyLimit:
    """ASGI middleware that answers 413 to a body larger than the bound of the route group, or of the content type."""

    def __init__(self, app: ASGIApp, route_groups: RouteGroups, max_bytes: int, max_json_bytes: int) -> None:
        """Wrap an application.

        Args:
            app: the application.
            route_groups: finds the route group of a request, which may have a bound of its own.
            max_bytes: the largest body.
            max_json_bytes: the largest JSON body.
        """
        self.app = app
        self.route_groups = route_groups
        self.max_bytes = max_bytes
        self.max_json_bytes = min(max_bytes, max_json_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse a body that is compressed (415) or too large (413)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        if BODY_HEADERS.isdisjoint(headers):  # without a length or a transfer encoding a request has no body
            await self.app(scope, receive, send)
            return
        limit, received = self._limit(scope), 0
        detail = f"The body is larger than {limit} bytes."
        length = int(headers.get(b"content-length", b"0"))
        refusal = None if length <= limit else problem_response(413, detail)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            refusal = problem_response(415, COMPRESSED, headers={"Accept-Encoding": "identity"})
        if refusal:
            if length <= SMALL_BYTES and b"expect" not in headers:
                await _drain(receive)
            await refusal(scope, receive, send)
            return

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:  # received bytes are counted, as a chunked body has no Content-Length
                if message.get("more_body", False):
                    await _drain(receive, received)
                raise HTTPException(413, detail)
            return message

        await self.app(scope, count, send)

    def _limit(self, scope: Scope) -> int:
        own = self.route_groups.group_of(scope).max_body_bytes
        if own is not None:
            return own
        return self.max_json_bytes if is_json(scope) else self.max_bytes


async def _drain(receive: Receive, size: int = 0) -> None:
    """Read the rest of a refused body, for at most SMALL_SECONDS and up to SMALL_BYTES."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SMALL_SECONDS):
            while size < SMALL_BYTES and (message := await receive()).get("more_body", False):
                size += len(message.get("body", b""))


def is_json(scope: Scope) -> bool:
    """Tell whether FastAPI may parse the body of a request as JSON, in one piece and on the event loop.

    A body of another type reaches the route as bytes, or is a form, of which Starlette parses at most 1,000 fields.
    """
    types = headers_of(scope).get(b"content-type", b"").decode("latin-1")
    return any(map(JSON.fullmatch, types.split(",")))  # a repeated Content-Type is joined by commas

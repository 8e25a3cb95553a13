"""Refuse a request body that is too large, by what it declares and by what really arrives, or that is compressed.

A compressed body is small until somebody unpacks it. Nobody here does; a route would find nonsense in it.

FastAPI's own `max_body_size` answers in plain text from outside every middleware; this one answers as problem JSON.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.families import Families
from app.problems import problem

DESCRIBING = frozenset({b"content-length", b"transfer-encoding", b"content-encoding"})
CODED = "Bodies are taken as they are: send this one without Content-Encoding."


class BodyLimit:
    """Answer 413 to a body of more bytes than its family may send, which are `max_bytes` unless it says otherwise."""

    def __init__(self, app: ASGIApp, families: Families, max_bytes: int) -> None:
        self.app = app
        self.families = families
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        described = [(name, value) for name, value in scope["headers"] if name in DESCRIBING]
        if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in described):
            await problem(415, "Unsupported Media Type", CODED, headers={"Accept-Encoding": "identity"})(
                scope, receive, send
            )
            return
        if not described:  # then there is none
            await self.app(scope, receive, send)
            return
        limit = self._limit(scope)
        detail = f"The body is larger than {limit} bytes."
        if any(name == b"content-length" and value.isdigit() and int(value) > limit for name, value in described):
            await problem(413, "Content Too Large", detail)(scope, receive, send)
            return
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:  # a chunked body declares nothing
                raise HTTPException(413, detail)
            return message

        await self.app(scope, count, send)

    def _limit(self, scope: Scope) -> int:
        name = self.families.of(scope)
        own = self.families.by_name[name].max_body_bytes if name is not None else None
        return self.max_bytes if own is None else own

"""Read on for a while when an answer is complete before the body of its request is.

A connection that is closed with unread bytes is reset, and the client loses what it has not read yet. So the end of
such an answer waits for the rest of the body; the client need not, for the answer says how long it is.
"""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALL_BYTES = 65_536
"""A rest of so much is read sooner than a new connection is made; more than that ends the connection."""

FAILED = 400
"""The first status of a failure."""

SLOWEST_BYTES = 65_536
"""Who sends less than this in a second has stopped, or only wants to hold a connection."""


class Linger:
    """Keep the connection of an early answer open for at most so many seconds."""

    def __init__(self, app: ASGIApp, seconds: int) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or (length := _length(scope)) == 0:
            await self.app(scope, receive, send)
            return
        request = _Request(receive, send, closes=length is None or length > SMALL_BYTES)
        await self.app(scope, request.receive, request.send)
        if request.held:
            await request.read_on(self.seconds)
            await send({"type": "http.response.body"})


class _Request:
    """Watches both ways, and holds the end of the answer back when it comes first."""

    def __init__(self, receive: Receive, send: Send, *, closes: bool) -> None:
        self._receive, self._send, self._closes = receive, send, closes
        self._bytes, self._whole, self._sized, self.held = 0, False, False, False

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)  # a client that left sends no more either
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._whole:
            headers = list(message.get("headers", ()))
            self._sized = any(name.lower() == b"content-length" for name, _ in headers)
            if self._closes or message["status"] >= FAILED:  # who is slow must not hold the connection after its 504
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
        elif self._sized and not self._whole and not message.get("more_body", False):
            self.held, message = True, {**message, "more_body": True}
        await self._send(message)

    async def read_on(self, seconds: int) -> None:
        for _ in range(seconds):
            before = self._bytes
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    while not self._whole:
                        await self.receive()
                        await asyncio.sleep(0)  # or the limit would never be met while all is at hand
            if self._whole or self._bytes - before < SLOWEST_BYTES:
                return


def _length(scope: Scope) -> int | None:
    """Return what the body declares: 0 for none, and None when that is not known before its end."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":  # the parser refuses both in one request
            return int(value)
    return 0

"""Lingering close: reads the rest of a request body if the response is complete before the whole body has arrived.

A server that closes a connection with unread bytes resets the connection, and the client may lose the response. So the
last ASGI message of an early response is held back until the body is read. The client does not wait for that message,
because Content-Length shows that the response is complete.
"""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.request.identity import headers_of

MIN_BYTES_PER_SECOND = 65_536
"""The least rate at which the rest of a body must arrive. A slower client has stopped sending, or only keeps the
connection busy, and the reading ends."""


class LingeringClose:
    """ASGI middleware that reads the rest of the body after an early response, for at most `seconds`."""

    def __init__(self, app: ASGIApp, seconds: int) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and hold the end of an early response back until the body is read."""
        if scope["type"] != "http" or body_length(scope) == 0:
            await self.app(scope, receive, send)
            return
        # a client that sends `Expect` waits for `100 Continue`, which uvicorn sends at the first `receive`
        request = _Request(receive, send, expects=b"expect" in headers_of(scope))
        try:
            await self.app(scope, request.receive, request.send)
        finally:  # runs also after an exception, since `CatchAll` has sent a 500 before it raises the exception again
            if request.held:
                await request.read_on(self.seconds)
                await send({"type": "http.response.body"})


class _Request:
    """One request and its response: holds the end of the response back while the request body is incomplete."""

    def __init__(self, receive: Receive, send: Send, *, expects: bool) -> None:
        self._receive, self._send, self._expects = receive, send, expects
        self._bytes, self._whole, self._sized, self.held = 0, False, False, False

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)  # the body also counts as whole if the client disconnected
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._whole and not self._expects:
            await self._read(0)  # if the rest of the body has arrived already, the connection can be kept
        if message["type"] == "http.response.start" and not self._whole:
            headers = list(message.get("headers", ()))
            self._sized = any(name.lower() == b"content-length" for name, _ in headers)
            message = {**message, "headers": [*headers, (b"connection", b"close")]}
        elif self._sized and not self._whole and not message.get("more_body", False):
            self.held, message = True, {**message, "more_body": True}
        await self._send(message)

    async def read_on(self, seconds: int) -> None:
        for _ in range(seconds):
            before = self._bytes
            await self._read(1)
            if self._whole or self._bytes - before < MIN_BYTES_PER_SECOND:
                return

    async def _read(self, seconds: int) -> None:
        """Read the request body for some seconds; with 0 seconds only the part that the server has received already."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._whole:
                    await self.receive()
                    await asyncio.sleep(0)  # let the event loop run, as the timeout could not fire while bytes arrive


def body_length(scope: Scope) -> int | None:
    """Return the Content-Length of a request: 0 without a body, None for a chunked body."""
    headers = headers_of(scope)
    if b"transfer-encoding" in headers:
        return None
    # The HTTP parser has refused a second Content-Length, and Content-Length beside Transfer-Encoding.
    return int(headers.get(b"content-length", b"0"))

"""uvicorn's HTTP protocol with a bound on the head of a request, and problem JSON for what never becomes a request.

The parser takes headers without end, and the application only sees them when all are there. So the bound is here.
"""

import asyncio
import socket
from typing import Any

import structlog
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.middleware.request_id import HEADER, new_id
from app.observability.request_id import request_id
from app.problems import problem

MAX_HEAD_BYTES = 65_536
"""The request line and all headers, and the trailers again. Proxies stop earlier: nginx at 32 kB, Envoy at 60."""

MAX_URL_BYTES = 8_192
"""RFC 9110 asks everybody to take 8,000. It also bounds the query parameters, to 4,096 of one letter."""

PIECE_BYTES = 16_384
"""So much is parsed before the bound is looked at again: the socket hands over up to 256 kB at once."""

UNREAD_SECONDS = 20
"""How long a client may leave an answer unread, or be silent about it, before its connection is cut off. While one is
left, a close waits for the client. Only Linux can do this."""

LINGER_SECONDS = 2.0
"""How long a refused client may go on sending. Closed with unread bytes, its connection would be reset, unanswered."""

HEAD_SECONDS = 10.0
"""From a new connection, or the first byte of its next request, to the end of the head. uvicorn waits for ever."""

log = structlog.get_logger("protocol")


class BoundedProtocol(HttpToolsProtocol):
    """Refuses with 414 and 431 what is too long, and with 400 what is no HTTP; ends connections that say nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        super().__init__(*args, **kwargs)
        self.url = b""
        self._bytes = 0  # since the last that the application got: a head, chunk extensions or trailers that grow
        self._refused = False
        self._in_head = False
        self._head_ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
        """Take a connection, which has so much time for its first request."""
        super().connection_made(transport)
        own = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT") and own.family in {socket.AF_INET, socket.AF_INET6}:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._end_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Note that the head of a request begins."""
        super().on_message_begin()
        self._in_head = True

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the client was refused already."""
        for start in range(0, len(data), PIECE_BYTES):
            if self._refused or self.transport.is_closing():
                return
            piece = data[start : start + PIECE_BYTES]
            self._bytes += len(piece)
            super().data_received(piece)
            if self._bytes > MAX_HEAD_BYTES:
                self.send_400_response("")
        if self._in_head or self.cycle is None or self.cycle.response_complete:
            self._begin_head()  # most heads come whole and need none; what is no head ends uvicorn's own wait for one

    def on_headers_complete(self) -> None:
        """Start the request, unless its URL is too long; the parser turns the exception into a refusal."""
        self._end_head()
        if len(self.url) > MAX_URL_BYTES:
            raise ValueError("The URL is too long.")
        self._bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._bytes = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's, the same for everything
        """Say why this cannot be served, and let the client read it."""
        if self._refused:
            return
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:  # its body is what is wrong
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(as_bytes(self._refusal()))
        self.flow.resume_reading()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _begin_head(self) -> None:
        if self._head_ends is None:
            self._head_ends = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_ends = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:  # it was sent ahead, and the answer to the request before it must not be cut off
            self._begin_head()

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

    def _refusal(self) -> Response:
        value = new_id()
        token = request_id.set(value.decode())
        try:
            status, title, detail = self._reason()
            log.info("refused", status=status, client=self.client and self.client[0])
            return problem(status, title, detail, headers={HEADER.decode(): value.decode(), "connection": "close"})
        finally:
            request_id.reset(token)

    def _reason(self) -> tuple[int, str, str]:
        if len(self.url) > MAX_URL_BYTES:
            return 414, "URI Too Long", f"The URL is longer than {MAX_URL_BYTES} bytes."
        if self._bytes > MAX_HEAD_BYTES:
            return 431, "Request Header Fields Too Large", f"The headers are larger than {MAX_HEAD_BYTES} bytes."
        return 400, "Bad Request", "This is not a valid HTTP/1.1 request."


def as_bytes(answer: Response) -> bytes:
    """Write an answer as it goes over the wire."""
    headers = b"".join(b"%s: %s\r\n" % pair for pair in answer.raw_headers)
    return b"HTTP/1.1 %d \r\n%s\r\n%s" % (answer.status_code, headers, bytes(answer.body))

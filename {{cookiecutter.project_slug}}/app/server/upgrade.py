"""Upgrades: a connection becomes a WebSocket if the application has such a route; any other upgrade is ignored.

Java's HTTP client asks for an upgrade to HTTP/2 with each request, as `curl --http2` does. A server may ignore such a
request for an upgrade (RFC 9110, 7.8), and answer with HTTP/1.1.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.request.identity import headers_of
from app.server import head
from app.server.parser import RequestParser
from app.server.reading import Reading
from app.server.refusal import Refusal

HANDSHAKE = {b"sec-websocket-key", b"sec-websocket-version"}
"""The headers of a WebSocket handshake. A request that lacks either header is answered as if it had asked for no
upgrade."""

BODY = {b"content-length", b"transfer-encoding"}
"""Headers of a request with a body. A WebSocket handshake must not have a body: the server would take the
bytes of the body for WebSocket frames."""


class UpgradeProtocol(HttpToolsProtocol):
    """HTTP protocol that ignores an unknown `Upgrade`, and goes on to read the body and later requests as HTTP."""

    parser: RequestParser  # type: ignore[assignment] # with all that uvicorn uses of its own parser
    flow: Reading

    def __init__(self, *args: Any, has_websocket: Callable[[str], bool], **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own constructor takes any arguments
        """Build the protocol of a connection; `has_websocket` tells whether a path is a WebSocket route."""
        super().__init__(*args, **kwargs)
        self.parser = RequestParser(self)
        self.url = b""
        self.headers = []
        self._in_head = self.in_body = self.comes_again = False
        self._refusal: Refusal | None = None
        self._has_websocket = has_websocket

    def _should_upgrade(self) -> bool:
        """Tell whether the current request is a WebSocket handshake for a WebSocket route of the application."""
        names = {name for name, _ in self.headers}
        if not super()._should_upgrade() or not names >= HANDSHAKE or names & BODY:
            return False
        if (self.parser.get_method(), self.parser.get_http_version()) != (b"GET", "1.1"):
            return False
        return self._has_websocket(unquote(httptools.parse_url(self.url).path.decode("ascii")))

    def on_message_begin(self) -> None:
        """Record that a new request begins, whose head is being parsed."""
        super().on_message_begin()
        self._in_head, self.comes_again = True, False

    def on_headers_complete(self) -> None:
        """Start the request in the application; a head whose upgrade is ignored is parsed a second time before that."""
        upgrades = self.parser.should_upgrade()
        if upgrades and not self._should_upgrade():
            self.comes_again = True
            return
        self._refusal = head.refused_handshake(self.headers) if upgrades else None
        if self._refusal:
            raise ValueError(self._refusal[1])
        self.parser.head_bytes = 0
        self.parser.body_left = int(headers_of(self.scope).get(b"content-length", b"0"))  # type: ignore[arg-type] # a typed dict
        super().on_headers_complete()
        self._in_head, self.in_body = False, not upgrades
        if self.in_body:
            # Give trailers a separate list: uvicorn would add trailers to the headers of the running request.
            self.headers = []

    def tidy_head(self) -> bytes:
        """Return the head of the current request without `Upgrade` and extra whitespace, to be parsed again."""
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [pair for pair in self.headers if pair[0] != b"upgrade" or self.parser.is_untidy]
        return b"".join([line, *(b"%s: %s\r\n" % (name, value.rstrip(b" \t")) for name, value in kept), b"\r\n"])

    def on_body(self, body: bytes) -> None:
        """Pass a part of the request body on to the application, and count the bytes that are still to come."""
        self.parser.head_bytes = 0
        self.parser.body_left = max(0, self.parser.body_left - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the current request, whose last byte has been parsed.

        Do nothing for a WebSocket handshake, which becomes a WebSocket, and for a head that is parsed a second time:
        its request ends after the second pass.
        """
        self.in_body = False
        if self.comes_again or self.parser.should_upgrade():
            return
        self.parser.head_bytes = 0
        # `should_keep_alive` is False also after a trailer `Connection: close`, as the parser then drops all further
        # bytes.
        if not self.parser.should_keep_alive():
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to uvicorn's WebSocket protocol.

        uvicorn's WebSocket protocol loses frames that arrive before the application has accepted the WebSocket. So no
        bytes are read from the socket until then.
        """
        url = httptools.parse_url(self.url)  # drop the host: a URL with a host would match no route
        self.url = url.path + (b"?" + url.query if url.query else b"")
        self.flow.hold(held=True)
        super().handle_websocket_upgrade()
        protocol: Any = self.transport.get_protocol()
        send = protocol.send

        async def send_and_read_on(message: Message) -> None:
            await send(message)
            if message["type"] == "websocket.accept" and not self.transport.is_closing():
                self.flow.hold(held=False)
                protocol.data_received(self.parser.take_unread())

        protocol.send = send_and_read_on

"""Upgrades: uvicorn's protocol becomes a WebSocket where the application has a route, and ignores any other upgrade.

Java's HTTP client asks for HTTP/2 with each request, as `curl --http2` does. A server may ignore that (RFC 9110, 7.8).
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.server import head
from app.server.parser import RequestParser
from app.server.reading import Reading
from app.server.refusal import Refusal

HANDSHAKE = {b"sec-websocket-key", b"sec-websocket-version"}
"""The headers of a WebSocket handshake: without these the request is answered as if it asked for no upgrade."""

BODY = {b"content-length", b"transfer-encoding"}
"""The headers of a body, which a WebSocket handshake does not have: the body would be taken for frames."""


class UpgradeProtocol(HttpToolsProtocol):
    """HTTP protocol that ignores an `Upgrade` which it does not serve, and reads body and later requests as HTTP."""

    parser: RequestParser  # type: ignore[assignment] # with all that uvicorn uses of its own parser
    flow: Reading

    def __init__(self, *args: Any, has_websocket: Callable[[str], bool], **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        """Take uvicorn's arguments, and a function that tells whether a path is a WebSocket route."""
        super().__init__(*args, **kwargs)
        self.parser = RequestParser(self)
        self.url = b""
        self.headers = []
        self._in_head = self.in_body = self.comes_again = False
        self._refusal: Refusal | None = None
        self._has_websocket = has_websocket

    def _should_upgrade(self) -> bool:
        """Tell whether the current request asks for a WebSocket, and the application has a route for the request."""
        names = {name for name, _ in self.headers}
        if not super()._should_upgrade() or not names >= HANDSHAKE or names & BODY:
            return False
        if (self.parser.get_method(), self.parser.get_http_version()) != (b"GET", "1.1"):
            return False
        return self._has_websocket(unquote(httptools.parse_url(self.url).path.decode("ascii")))

    def on_message_begin(self) -> None:
        """Begin a request with its head."""
        super().on_message_begin()
        self._in_head, self.comes_again = True, False

    def on_headers_complete(self) -> None:
        """Start the request in the application, unless the head comes again, without its upgrade."""
        upgrades = self.parser.should_upgrade()
        if upgrades and not self._should_upgrade():
            self.comes_again = True
            return
        self._refusal = head.refused_handshake(self.headers) if upgrades else None
        if self._refusal:
            raise ValueError(self._refusal[1])
        self.parser.head_bytes = 0
        self.parser.body_left = next((int(value) for name, value in self.headers if name == b"content-length"), 0)
        super().on_headers_complete()
        self._in_head, self.in_body = False, not upgrades
        if self.in_body:
            self.headers = []  # for trailers: uvicorn would add these to the headers while the application runs

    def tidy_head(self) -> bytes:
        """Return the head that comes again, as the parser understands it."""
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [pair for pair in self.headers if pair[0] != b"upgrade" or self.parser.is_untidy]
        return b"".join([line, *(b"%s: %s\r\n" % (name, value.rstrip(b" \t")) for name, value in kept), b"\r\n"])

    def on_body(self, body: bytes) -> None:
        """Pass a part of the request body on to the application, and count what is left."""
        self.parser.head_bytes = 0
        self.parser.body_left = max(0, self.parser.body_left - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; a head that comes again has no end, and a handshake becomes a WebSocket."""
        self.in_body = False
        if self.comes_again or self.parser.should_upgrade():
            return
        self.parser.head_bytes = 0
        if not self.parser.should_keep_alive():  # also by a trailer: the parser drops all that follows
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to uvicorn's WebSocket protocol.

        That protocol loses frames which come before the application has accepted the WebSocket, so these wait.
        """
        url = httptools.parse_url(self.url)  # a whole URL, with a host, is no target that uvicorn would find
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

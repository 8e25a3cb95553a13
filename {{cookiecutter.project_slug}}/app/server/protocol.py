"""The connection stage: uvicorn's HTTP protocol with bounds on all that a client can send before admission control.

The application sees a request only when the head of the request is complete. So a middleware cannot bound heads,
pipelined requests and idle connections. Every refusal is problem JSON, sent in the order of the requests.
"""

import asyncio
import socket
from collections import deque
from contextvars import copy_context
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.request.identity import REFUSED
from app.server import head
from app.server.connections import Connections
from app.server.drain import PIPELINE
from app.server.reading import Reading
from app.server.refusal import NO_ROOM, NOT_HTTP, refusal_bytes
from app.server.upgrade import UpgradeProtocol
from app.settings.route_groups import PROBES

MAX_UNANSWERED = 16
"""The most pipelined requests of one connection that may wait for a response; at this number, parsing pauses."""

MAX_AHEAD_BYTES = 65_536
"""Parsing pauses at this many bytes of pipelined requests of one connection: 16 large requests take megabytes."""

UNREAD_SECONDS = 20
"""How long, in seconds, a client may leave a response unread before the kernel cuts off the connection, also after the
service has closed the connection. The limit is set as TCP_USER_TIMEOUT, which only Linux has."""

LINGER_SECONDS = 2.0
"""Seconds from a refusal to closing the connection, unless the client closes first. A close while bytes of the client
are in flight would reset the connection, and the client would lose the refusal."""

HEAD_SECONDS = 10.0
"""The longest time for the head of a request, from the accept or the first byte; uvicorn itself has no limit."""

UNIX_PEER = ("unix", 0)
"""The address that stands for a client over a unix socket, which has no IP address. The rights on the socket file
decide which programs may connect, so `ServiceWorker` trusts this client as a proxy."""


class BoundedProtocol(UpgradeProtocol):
    """HTTP protocol that bounds heads, pipelined requests and idle connections, and refuses malformed requests."""

    def __init__(self, *args: Any, connections: Connections, is_spare: bool, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own constructor takes any arguments
        """Build the protocol; a spare connection is beyond the worker's limit, and serves health probes only."""
        super().__init__(*args, **kwargs)
        self._open, self._is_spare = connections, is_spare
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._upgrade_waits = False
        self._ended = False  # no more requests are parsed: the connection was refused, or has become a WebSocket
        self._response = b""  # the refusal of a malformed request, as bytes
        self._head_ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
        """Accept a connection, and start the timeouts of the first request's head and of unread responses."""
        super().connection_made(transport)
        self.flow = Reading(transport)
        own = transport.get_extra_info("socket")
        if hasattr(socket, "AF_UNIX") and own.family == socket.AF_UNIX:
            self.client = UNIX_PEER
        if hasattr(socket, "TCP_USER_TIMEOUT") and own.family in {socket.AF_INET, socket.AF_INET6}:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        self._open.opened(transport, is_spare=self._is_spare)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell each unanswered request that the client has left; uvicorn tells the newest request only."""
        self._end_head()
        self.pipeline.clear()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)
        self._open.ended(self.transport)  # last: the published number of connections must not include this connection

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; keep the rest unparsed while MAX_UNANSWERED requests wait for a response."""
        if self._ended or self.transport.is_closing():
            return
        super().data_received(data)
        if self._ended:
            return
        if self.parser.unread or self.flow.held:
            self.flow.hold(held=self.parser.unread)
        if self.parser.unread and self.may_parse():
            self.loop.call_soon(self.data_received, b"")
        if self._in_head or not self._unanswered:
            self._begin_head()  # an incomplete request head needs a timeout: uvicorn has ended the keep-alive timeout

    def may_parse(self) -> bool:
        """Tell whether to parse more bytes: no further request while MAX_UNANSWERED requests wait for a response."""
        if self._ended or self._upgrade_waits or self.transport.is_closing():
            return False
        if self._in_head or self.in_body or not self._unanswered:
            return True
        return len(self._unanswered) < MAX_UNANSWERED and self.parser.ahead_bytes < MAX_AHEAD_BYTES

    def on_headers_complete(self) -> None:
        """Start the request in the application; to refuse the head, raise an exception, at which the parser stops."""
        self.comes_again = self.parser.is_untidy
        if self.comes_again:
            return
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self._refusal = head.refused(method, self.url, version, self.headers)
        if self._is_spare and self.url.partition(b"?")[0].decode("latin-1") not in PROBES:
            self._refusal = NO_ROOM
        if self._refusal or len(self.headers) > head.MAX_HEADERS:
            raise ValueError("refused")
        self.scope[PIPELINE] = self.pipeline  # type: ignore[literal-required] # for `ConnectionClose`
        super().on_headers_complete()
        self._end_head()
        if self.in_body:
            self.cycle.keep_alive &= not self._is_spare
            self._unanswered.append(self.cycle)
            self._open.busy(self.transport)

    def on_response_complete(self) -> None:
        """Go on with what waited for the end of a response: later requests, unparsed bytes, a refusal, an upgrade."""
        self._unanswered.popleft()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if not self._unanswered:
            self.parser.ahead_bytes = 0
            self._open.idle(self.transport)
            if self._upgrade_waits:
                self.handle_websocket_upgrade()
            elif self._ended:
                self._refuse()
        if self.parser.unread:
            self.data_received(b"")

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to uvicorn's WebSocket protocol, after the responses to earlier requests."""
        self._upgrade_waits = bool(self._unanswered)
        if self._upgrade_waits:
            return
        self._ended = True
        self._open.ended(self.transport)
        self._end_head()
        self._unset_keepalive_if_required()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn has one message for all errors
        """Refuse a malformed request after the responses to earlier requests."""
        refusal = self._refusal or NOT_HTTP
        if self.parser.head_bytes >= head.MAX_HEAD_BYTES or len(self.headers) > head.MAX_HEADERS:
            refusal = head.TOO_LARGE
        if not (self.in_body and self.cycle.response_started):
            known = (self.url, self.scope["headers"]) if self._in_head or self.in_body else ()
            self._response = copy_context().run(refusal_bytes, refusal, self.client, *known)
        self._ended = True
        self._end_head()
        if self.in_body:
            self._abandon(self.cycle)
        if self._unanswered:
            self.flow.hold(held=True)
        else:
            self._refuse()

    def _abandon(self, cycle: RequestResponseCycle) -> None:
        """End a request whose body is malformed; the refusal is the response, unless a response has started."""
        cycle.scope[REFUSED] = not cycle.response_started  # type: ignore[literal-required] # for `AccessLog`
        cycle.disconnected = True
        cycle.message_event.set()
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        if not cycle.response_complete:
            self._unanswered.pop()

    def _refuse(self) -> None:
        """Send the refusal; close the connection after LINGER_SECONDS, or earlier when the client closes it."""
        self.transport.write(self._response)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.hold(held=False)
        self._open.idle(self.transport)
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _begin_head(self) -> None:
        if self._head_ends is None:
            self._head_ends = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_ends = None
        if self._unanswered:  # an earlier response is not complete: do not cut it off
            self._begin_head()
        else:
            self.transport.close()

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

"""The internals of uvicorn that the HTTP protocol class overrides: after an update, a failing test names the change.

The behaviour over real sockets is tested in `tests/faults/test_connection_bytes.py`, `test_requests_ahead.py`,
`test_large_requests.py` and `tests/smoke/test_malformed.py`.
"""

import inspect
from itertools import pairwise

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.server.parser import RequestParser
from app.server.upgrade import UpgradeProtocol


@pytest.mark.parametrize(
    "callback",
    [
        *("connection_made", "connection_lost", "data_received", "on_message_begin", "on_url"),
        *("on_headers_complete", "on_body", "on_message_complete", "on_response_complete", "send_400_response"),
        *("_should_upgrade", "handle_websocket_upgrade", "_unset_keepalive_if_required"),
    ],
)
def test_uvicorn_still_has_the_overridden_callbacks(callback: str) -> None:
    assert callable(vars(HttpToolsProtocol)[callback])


def test_uvicorn_still_refuses_a_request_whose_callback_fails() -> None:
    source = inspect.getsource(HttpToolsProtocol.data_received)

    assert "except httptools.HttpParserError" in source
    assert "self.send_400_response(" in source


@pytest.mark.parametrize("attribute", ["cycle", "flow", "loop", "transport", "client", "url", "headers", "connections"])
def test_the_protocol_still_has_the_attribute(attribute: str) -> None:
    assert f"self.{attribute}" in inspect.getsource(HttpToolsProtocol)


@pytest.mark.parametrize(
    "attribute", ["disconnected", "message_event", "response_started", "response_complete", "keep_alive"]
)
def test_a_request_still_has_the_attribute(attribute: str) -> None:
    assert f"self.{attribute} = " in inspect.getsource(RequestResponseCycle)


def test_the_newest_waiting_request_is_still_the_first_of_the_pipeline() -> None:
    assert "self.pipeline.appendleft((self.cycle, app))" in inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert "self.pipeline.pop()" in inspect.getsource(HttpToolsProtocol.on_response_complete)


def test_uvicorn_still_uses_only_methods_that_the_parser_has() -> None:
    source = inspect.getsource(HttpToolsProtocol)
    used = {part.partition("(")[0] for _, part in pairwise(source.split("self.parser."))} | {"feed_data"}

    # the method that is left out is called on uvicorn's own parser only, which the service replaces
    assert used - {"set_dangerous_leniencies"} <= {*dir(RequestParser(object()))}


@pytest.mark.parametrize("method", ["pause_reading", "resume_reading"])
def test_reading_can_still_be_paused_and_resumed(method: str) -> None:
    assert callable(vars(FlowControl)[method])


class Recorder(UpgradeProtocol):
    """The HTTP protocol class without connection and application: records the requests that the parser finds."""

    def __init__(self, most: int = 100) -> None:  # uvicorn's own `__init__` needs a server
        self.most = most
        self.found: list[bytes] = []
        self.headers = []
        self.in_message = self.in_body = self.comes_again = False
        self.parser = RequestParser(self)

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self.in_message = True

    def on_headers_complete(self) -> None:
        """Record a request that is served; the parser reports a request with an upgrade or odd whitespace twice."""
        self.comes_again = self.parser.is_untidy or self.parser.should_upgrade()
        if not self.comes_again:
            self.in_body = True
            self.parser.body_left = int(dict(self.headers).get(b"content-length", 0))
            self.found.append(self.url + b" ")

    def on_body(self, body: bytes) -> None:
        """Record a part of a request body."""
        self.parser.body_left = max(0, self.parser.body_left - len(body))
        self.found[-1] += body

    def on_message_complete(self) -> None:
        """Note that a request ends."""
        self.in_message = self.in_body = False
        self.parser.head_bytes = 0

    def may_parse(self) -> bool:
        """Tell whether the parser may go on: inside a request, or with fewer than `most` recorded requests."""
        return self.in_message or len(self.found) < self.most

    def _should_upgrade(self) -> bool:
        return False


UPGRADE = b"Host: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
SENT = (
    b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
    b"POST /2 HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 22\r\n\r\nGET /x HTTP/1.1\r\na:b\r\n"
    b"POST /3 HTTP/1.1\r\n" + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\nx: y\r\n\r\n"
    b"GET /4 HTTP/1.1\r\n" + UPGRADE + b"\r\n"
    b"POST /5 HTTP/1.1\r\nHost: a\t \r\nTransfer-Encoding:\tchunked\t\r\n\r\n4\r\n \r\n\t\r\n0\r\n\r\n"
    b"POST /6 HTTP/1.1\r\nContent-Length: 2 \r\n" + UPGRADE + b"\r\n6 "
    b"GET /7 HTTP/1.1\r\nHost: a\r\n\r\n"
)
FOUND = [b"/1 ", b"/2 GET /x HTTP/1.1\r\na:b\r\n", b"/3 \r\n\r\n", b"/4 ", b"/5  \r\n\t", b"/6 6 ", b"/7 "]


@pytest.mark.parametrize("size", range(1, 40))
def test_the_same_requests_are_found_in_pieces_of_any_size(size: int) -> None:
    connection = Recorder()
    parser = connection.parser
    for start in range(0, len(SENT), size):
        parser.feed_data(SENT[start : start + size])

    assert connection.found == FOUND
    assert not parser.unread


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("most", range(1, 7))
def test_the_parser_stops_exactly_before_a_request_that_has_to_wait(most: int, size: int) -> None:
    connection = Recorder(most)
    parser = connection.parser
    for start in range(0, len(SENT), size):
        parser.feed_data(SENT[start : start + size])
    stopped, unread = list(connection.found), parser.unread
    connection.most = 100
    parser.feed_data(b"")

    assert (stopped, unread) == (FOUND[:most], True)
    assert (connection.found, parser.unread) == (FOUND, False)

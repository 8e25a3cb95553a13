"""The request parser of a connection: stops between two requests, and reads some heads a second time.

httptools parses all that it is given, so that one packet may start hundreds of requests. At a request with an upgrade
httptools stops behind the head, and would take the body of the request for the next request. httptools also leaves
whitespace behind the values of headers, and does not know `chunked` with a tab behind it.
"""

from typing import Any

import httptools

from app.server.head import MAX_HEAD_BYTES, MAX_HEADERS

PIECE_BYTES = 16_384
"""Bytes that are parsed between two checks of the connection: a socket hands over up to 256 kB at a time."""

BYTES_PER_TURN = 65_536
"""Bytes after which other connections get their turn of the event loop: about 5 ms in chunks of a byte each."""

PIECE_COST = 64
"""The bytes for which a piece counts at least: chunks of blank lines are cut every four bytes, which takes 2 us."""

HEAD_END = b"\r\n\r\n"


class RequestParser:
    """A parser with the interface of httptools' parser, fed up to the end of one head at a time."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - `UpgradeProtocol`, which imports this module
        """Parse for a connection, which tells by `may_parse` and `comes_again` how to go on."""
        self._connection = connection
        self._parser = _new_parser(connection)
        self._received, self._parsed = b"", 0
        self._last = b""  # the last three bytes that were parsed: the end of a head may come in two packets
        self.is_untidy = False
        """Whether whitespace is behind a line of the current head, so that the head comes again."""
        self.head_bytes = 0
        """Bytes since the last event of the application: a head, chunk extensions or trailers."""
        self.ahead_bytes = 0
        """Bytes since the connection was idle, which are those of requests that wait; set back by the connection."""
        self.body_left = 0
        """Bytes of the current body that are not yet parsed, 0 for a chunked body; set by the connection."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the methods of httptools' parser
        return getattr(self._parser, name)

    @property
    def unread(self) -> bool:
        """Whether received bytes wait for a later `feed_data`."""
        return self._parsed < len(self._received)

    def feed_data(self, data: bytes) -> None:
        """Parse bytes that waited, then these bytes, for as long as the connection and the turn allow.

        Raises:
            httptools.HttpParserError: the bytes are no HTTP, or the head is too large.
            httptools.HttpParserUpgrade: the application serves the upgrade; `take_unread` returns the bytes behind it.
        """
        if data:
            self._received, self._parsed = self.take_unread() + data, 0
        turn = BYTES_PER_TURN
        while self.unread and turn > 0 and self._connection.may_parse():
            piece = self._next_piece()
            if not piece or len(self._connection.headers) > MAX_HEADERS:
                raise httptools.HttpParserError
            size = len(piece)
            turn -= max(size, PIECE_COST)
            self._parsed += size
            self.head_bytes += size
            self.ahead_bytes += size
            self._feed(piece)
        if not self.unread:
            self.take_unread()  # an idle connection keeps none of the bytes that it received

    def take_unread(self) -> bytes:
        """Return the bytes that wait, which are forgotten here."""
        unread, self._received, self._parsed = self._received[self._parsed :], b"", 0
        return unread

    def _next_piece(self) -> bytes:
        """Return bytes up to the end of the body or the headers, at most PIECE_BYTES; none if these are too large.

        A chunked body ends with an empty line, as headers do.
        """
        start = self._parsed
        if self.body_left:
            end = start + min(self.body_left, PIECE_BYTES)
        else:
            limit = start + min(PIECE_BYTES, MAX_HEAD_BYTES - self.head_bytes)
            edge = (self._last + self._received[start : start + 3]).find(HEAD_END)
            found = self._received.find(HEAD_END, start, limit) if edge < 0 else start + edge - len(self._last)
            end = limit if edge < 0 and found < 0 else min(limit, found + len(HEAD_END))
        piece = self._received[start:end]
        lines = self._last + piece
        if not self._connection.in_body and (b" \r\n" in lines or b"\t\r\n" in lines):
            self.is_untidy = True
        self._last = lines[-3:]
        return piece

    def _feed(self, piece: bytes) -> None:
        """Parse a piece; a head that comes again goes to a new parser, which reads the body, and then the next request.

        The error of such a head is an upgrade that nothing serves, or a coding that httptools does not know.
        """
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError):  # the piece ends with the head
            if not self._connection.comes_again:
                raise
        if self._connection.comes_again:
            head, self._parser, self.is_untidy = self._connection.tidy_head(), _new_parser(self._connection), False
            self._feed(head)


def _new_parser(connection: object) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn: pipelined behind a last request
    return parser

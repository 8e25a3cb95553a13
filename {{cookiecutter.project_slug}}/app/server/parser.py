"""The request parser of a connection: httptools, fed piece by piece, so that parsing can stop between two requests.

httptools parses all bytes that it gets, so that one packet could start hundreds of requests.

Three kinds of request heads are rewritten and parsed a second time, because httptools would misread them. After a head
that asks for an upgrade, httptools would stop, and take the body for the next request. At the end of the value of a
header, httptools would leave whitespace. If a tab follows `chunked`, httptools would not recognise the chunked body.
"""

from typing import Any

import httptools

from app.server.head import MAX_HEAD_BYTES, MAX_HEADERS

PIECE_BYTES = 16_384
"""The most bytes that are parsed before the parser asks the connection again whether to go on. A socket hands over up
to 256 kB at a time, which may be hundreds of requests."""

BYTES_PER_TURN = 65_536
"""The most bytes of one connection that are parsed in one turn of the event loop; then other connections get a turn.
Bodies in chunks of one byte are the slowest, and take about 5 ms."""

PIECE_COST = 64
"""The least number of bytes that a parsed piece counts against the bytes of one turn of the event loop. A piece of four
bytes still takes 2 us to parse, and a client can force such pieces by a chunked body of blank lines."""

HEAD_END = b"\r\n\r\n"


class RequestParser:
    """A parser with the interface of httptools' parser; parses at most up to the end of one head at a time."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - `UpgradeProtocol` imports this module
        """Build the parser of a connection.

        Between two pieces the parser asks the connection: `may_parse` allows the next piece, and `comes_again` tells
        that the current head must be rewritten and parsed a second time.
        """
        self._connection = connection
        self._begin()
        self._received, self._parsed = b"", 0
        self._last = b""  # the last three parsed bytes, as the end of a head may be split between two packets
        self.is_untidy = False
        """Whether a line of the current head ends with whitespace: the head is then rewritten and parsed a second
        time."""
        self.head_bytes = 0
        """Parsed bytes of the current head, chunk extensions or trailers, at most MAX_HEAD_BYTES."""
        self.ahead_bytes = 0
        """Parsed bytes of the requests that wait on this connection; set to 0 when the connection becomes idle."""
        self.body_left = 0
        """Bytes of the current body that are not parsed yet, 0 for a chunked body; the connection sets the number."""

    def _begin(self) -> None:
        """Begin with a new httptools parser, and keep the methods of that parser as attributes of this object.

        Delegating each call by `__getattr__` would take a tenth of the time that the server spends on the connection.
        """
        parser = httptools.HttpRequestParser(self._connection)
        # Allow requests after a request with `Connection: close`, as uvicorn's own parser does.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse, self.should_upgrade, self.get_method = parser.feed_data, parser.should_upgrade, parser.get_method
        self.should_keep_alive, self.get_http_version = parser.should_keep_alive, parser.get_http_version

    @property
    def unread(self) -> bool:
        """Whether received bytes are left that are not parsed yet."""
        return self._parsed < len(self._received)

    def feed_data(self, data: bytes) -> None:
        """Parse received bytes in order, as long as `may_parse` and BYTES_PER_TURN allow; keep the rest for later.

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
            self.take_unread()  # drop parsed bytes, so that an idle connection takes no memory for them

    def take_unread(self) -> bytes:
        """Return all bytes that are not parsed yet, and empty the buffer of the parser."""
        unread, self._received, self._parsed = self._received[self._parsed :], b"", 0
        return unread

    def _next_piece(self) -> bytes:
        """Return the next bytes to parse, at most to the end of the head or body; no bytes if the head is too large.

        The end of a chunked body is found like the end of a head: each is an empty line.
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
        """Parse a piece of the received bytes.

        httptools may fail at a head that needs a second pass: the head asks for an upgrade that the application does
        not serve, or has a coding that httptools does not know. The rewritten head is given to a new parser, which also
        parses the bytes that follow.
        """
        try:
            self._parse(piece)
        # the piece ends with the head, so a new parser loses no part of the body
        except (httptools.HttpParserUpgrade, httptools.HttpParserError):
            if not self._connection.comes_again:
                raise
        if self._connection.comes_again:
            head, self.is_untidy = self._connection.tidy_head(), False
            self._begin()
            self._feed(head)

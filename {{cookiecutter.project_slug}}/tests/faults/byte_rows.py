"""The test cases of `test_connection_bytes.py`: the bytes that a client sends, and the responses that it must get."""

from tests.smoke.raw_http import head

Row = tuple[bytes, list[tuple[int, str | None]]]
"""The bytes that a client sends, and the expected responses: status, and the body that the service received."""

H2C = "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"
"""The headers of a request that asks for HTTP/2, as `curl --http2` and Java's HttpClient send them."""

WEBSOCKET = "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

STOLEN = head("GET", "/echo", "X-Stolen: 1")
"""A request body that looks like a request: the service must not serve it as a request."""


def post(body: bytes, *lines: str) -> bytes:
    return head("POST", "/echo", *lines, f"Content-Length: {len(body)}") + body


def chunked(*chunks: bytes, lines: tuple[str, ...] = (), trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b"")).removesuffix(b"\r\n")
    return head("POST", "/echo", *lines, "Transfer-Encoding: chunked") + body + trailers + b"\r\n"


GET = head("GET", "/echo")
CONNECT = b"CONNECT service:80 HTTP/1.1\r\nHost: service:80\r\n\r\n"
BROKEN = b"BROKEN\r\n\r\n"
OLD = b"POST /echo HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc"
LARGE = b"large " * 8_000

UPGRADES: dict[str, Row] = {
    "a body with a length": (post(b"one", *H2C), [(200, "one")]),
    "a chunked body": (chunked(b"one", b"two", lines=H2C), [(200, "onetwo")]),
    "no body": (head("GET", "/echo", *H2C), [(200, "")]),
    "a POST without a body": (head("POST", "/echo", *H2C), [(200, "")]),
    "a length of zero": (post(b"", *H2C), [(200, "")]),
    "a GET with a body": (head("GET", "/echo", *H2C, "Content-Length: 3") + b"one", [(200, "one")]),
    "a request behind": (post(b"one", *H2C) + post(b"two"), [(200, "one"), (200, "two")]),
    "a request behind no body": (head("GET", "/echo", *H2C) + post(b"two"), [(200, ""), (200, "two")]),
    "a request behind a chunked body": (chunked(b"one", lines=H2C) + GET, [(200, "one"), (200, "")]),
    "a request ahead": (post(b"one") + post(b"two", *H2C), [(200, "one"), (200, "two")]),
    "requests ahead and behind": (GET + post(b"two", *H2C) + GET, [(200, ""), (200, "two"), (200, "")]),
    "three upgrades": (post(b"a", *H2C) + chunked(b"b", lines=H2C) + post(b"c", *H2C), [(200, x) for x in "abc"]),
    "a body that looks like a request": (post(STOLEN, *H2C) + GET, [(200, STOLEN.decode()), (200, "")]),
    "a chunk that looks like a request": (chunked(STOLEN, lines=H2C) + GET, [(200, STOLEN.decode()), (200, "")]),
    "a body that looks like an upgrade": (
        post(post(b"x", *H2C), *H2C) + GET,
        [(200, post(b"x", *H2C).decode()), (200, "")],
    ),
    "a large body": (post(LARGE, *H2C) + GET, [(200, LARGE.decode()), (200, "")]),
    "large chunks": (chunked(LARGE, LARGE, lines=H2C) + GET, [(200, (LARGE * 2).decode()), (200, "")]),
    "a large head": (post(b"one", *H2C, "X-Large: " + "x" * 40_000) + GET, [(200, "one"), (200, "")]),
    "trailers": (chunked(b"one", lines=H2C, trailers=b"X-Trailer: 1\r\n") + GET, [(200, "one"), (200, "")]),
    "an upgrade in the trailers": (
        chunked(b"one", trailers=b"Upgrade: h2c\r\nConnection: upgrade\r\n") + GET,
        [(200, "one"), (200, "")],
    ),
    "HTTP/1.0": (OLD, [(200, "abc")]),
    "an expectation": (post(b"one", *H2C, "Expect: 100-continue"), [(200, "one")]),
    "an unknown token": (post(b"one", "Connection: upgrade", "Upgrade: foo/2") + GET, [(200, "one"), (200, "")]),
    "two tokens": (post(b"one", "Connection: upgrade", "Upgrade: h2c, foo"), [(200, "one")]),
    "two upgrades": (
        post(b"one", "Connection: upgrade", "Upgrade: foo", "Upgrade: h2c") + GET,
        [(200, "one"), (200, "")],
    ),
    "no Connection header": (post(b"one", "Upgrade: h2c") + GET, [(200, "one"), (200, "")]),
    "a WebSocket without a route": (post(b"one", *WEBSOCKET, KEY) + GET, [(200, "one"), (200, "")]),
    "a WebSocket without a handshake": (head("GET", "/talk", *WEBSOCKET) + GET, [(404, None), (200, "")]),
    "a WebSocket with a body": (
        head("GET", "/talk", *WEBSOCKET, KEY, "Content-Length: 3") + b"one" + GET,
        [(404, None), (200, "")],
    ),
    "a malformed chunk": (head("POST", "/echo", *H2C, "Transfer-Encoding: chunked") + b"x\r\n" + GET, [(400, None)]),
    "two lengths": (post(b"one", *H2C, "Content-Length: 7") + GET, [(400, None)]),
}
"""Requests that ask for a protocol upgrade: the service ignores the upgrade, and finds the end of the body by
Content-Length or by the chunked coding."""


def spaced(line: str) -> bytes:
    """Return a POST with the body `one` and a header line that has optional whitespace, followed by a GET."""
    body = b"3\r\none\r\n0\r\n\r\n" if "chunked" in line.lower() else b"one"
    return head("POST", "/echo", *(["Content-Length: 3"] if "Host" in line else []), line) + body + GET


WHITESPACE: dict[str, Row] = {
    "chunked between tabs": (spaced("Transfer-Encoding:\tchunked\t"), [(200, "one"), (200, "")]),
    "chunked before a space": (spaced("Transfer-Encoding: Chunked "), [(200, "one"), (200, "")]),
    "chunked before both": (spaced("Transfer-Encoding: chunked \t \t"), [(200, "one"), (200, "")]),
    "a length between tabs": (spaced("Content-Length:\t3\t"), [(200, "one"), (200, "")]),
    "a length without a body": (head("POST", "/echo", "Content-Length: 0 ") + GET, [(200, ""), (200, "")]),
    "a host": (b"GET /echo HTTP/1.1\r\nHost:\tservice \t\r\n\r\n" + GET, [(200, ""), (200, "")]),
    "an upgrade": (post(b"one", "Connection: Upgrade\t", "Upgrade: h2c ") + GET, [(200, "one"), (200, "")]),
    "a tunnel": (b"CONNECT service:80 HTTP/1.1\r\nHost: service \r\n\r\n" + GET, [(501, None)]),
    "two Hosts": (head("GET", "/echo", "Host: service "), [(400, None)]),
    "gzip": (head("POST", "/echo", "Transfer-Encoding: gzip\t") + GET, [(501, None)]),
    "a tab before the colon": (head("GET", "/echo", "X-Tab\t: 1") + GET, [(400, None)]),
    "a tab behind the method": (b"GET\t/echo HTTP/1.1\r\nHost: service\r\n\r\n", [(400, None)]),
    "a space behind the version": (b"GET /echo HTTP/1.1 \r\nHost: service\r\n\r\n", [(400, None)]),
    "a folded line": (head("GET", "/echo", "X-Folded: 1 ", "\t2") + GET, [(400, None)]),
    "a chunk that looks like whitespace": (chunked(b" \r\n", b"\t\r\n") + GET, [(200, " \r\n\t\r\n"), (200, "")]),
    "a body that ends in whitespace": (post(b"one \r\n") + GET, [(200, "one \r\n"), (200, "")]),
}
"""Requests with whitespace around header values, which is not part of the values (RFC 9110, 5.5), and with whitespace
where HTTP forbids it."""


def sized(size: int) -> bytes:
    """Return a GET whose head (request line and headers) has `size` bytes."""
    begin = head("GET", "/echo", "X-Large: ").removesuffix(b"\r\n\r\n")
    return begin + b"x" * (size - len(begin) - 4) + b"\r\n\r\n"


def numbered(count: int) -> list[str]:
    return [f"X-{number}: 1" for number in range(count)]


LARGER = 66_000, 74_000, 82_000
HEADS: dict[str, Row] = {
    "the largest head": (sized(65_536) + GET, [(200, ""), (200, "")]),
    "a byte more": (sized(65_537) + GET, [(431, None)]),
    **{f"a head of {size} bytes": (GET + sized(size) + GET, [(200, ""), (431, None)]) for size in LARGER},
    "the most headers": (head("GET", "/echo", *numbered(99)) + GET, [(200, ""), (200, "")]),
    "a header more": (GET + head("GET", "/echo", *numbered(100)) + GET, [(200, ""), (431, None)]),
    "thousands of headers": (head("GET", "/echo", *["a:"] * 13_000) + GET, [(431, None)]),
    "an endless list of headers": (head("GET", "/echo", *["a:"] * 13_000).removesuffix(b"\r\n"), [(431, None)]),
    "large trailers": (chunked(b"one", trailers=b"X-Large: " + b"x" * 90_000 + b"\r\n") + GET, [(431, None)]),
    "largest trailers before a large head": (
        chunked(b"one", trailers=b"X-Large: " + b"x" * 40_000 + b"\r\n") + sized(60_000),
        [(200, "one"), (200, "")],
    ),
}
"""Requests whose head or trailers have the largest allowed size, and larger requests, which the service refuses."""

REFUSALS: dict[str, Row] = {
    "a malformed request behind two": (GET + post(b"two") + BROKEN, [(200, ""), (200, "two"), (400, None)]),
    "a malformed request between": (GET + BROKEN + GET, [(200, ""), (400, None)]),
    "a malformed request behind slow": (head("GET", "/wait?seconds=0.3") + BROKEN, [(200, None), (400, None)]),
    "a malformed body behind slow": (
        head("GET", "/wait?seconds=0.3") + head("POST", "/echo", "Transfer-Encoding: chunked") + b"x\r\n",
        [(200, None), (400, None)],
    ),
    "a long URL behind slow": (
        head("GET", "/wait?seconds=0.3") + head("GET", "/" + "x" * 9_000),
        [(200, None), (414, None)],
    ),
    "a tunnel": (CONNECT + GET, [(501, None)]),
    "a tunnel behind two": (GET + post(b"two") + CONNECT + b"\x16\x03\x01", [(200, ""), (200, "two"), (501, None)]),
    "no Host behind one": (GET + b"GET /echo HTTP/1.1\r\n\r\n" + GET, [(200, ""), (400, None)]),
    "an unknown version": (b"GET /echo HTTP/2.0\r\nHost: service\r\n\r\n", [(400, None)]),
    "no Host in HTTP/1.0": (b"GET /echo HTTP/1.0\r\n\r\n", [(200, "")]),
    "an empty Host": (b"GET /echo HTTP/1.1\r\nHost:\r\n\r\n", [(200, "")]),
    "two Hosts": (head("GET", "/echo", "Host: service"), [(400, None)]),
    "two Hosts and an upgrade": (post(b"one", *H2C, "Host: other"), [(400, None)]),
    "a Host that is no host": (b"GET /echo HTTP/1.1\r\nHost: a b/c\r\n\r\n", [(400, None)]),
    "gzip and chunked": (
        head("POST", "/echo", "Transfer-Encoding: gzip, chunked") + b"3\r\none\r\n0\r\n\r\n" + GET,
        [(501, None)],
    ),
    "chunked twice": (
        head("POST", "/echo", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        [(400, None)],
    ),
    "a coding in two headers": (
        head("POST", "/echo", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + GET,
        [(501, None)],
    ),
    "chunked behind one": (GET + chunked(b"one") + GET, [(200, ""), (200, "one"), (200, "")]),
    "identity": (head("POST", "/echo", "Transfer-Encoding: identity") + GET, [(501, None)]),
    "chunked in HTTP/1.0": (
        b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n",
        [(400, None)],
    ),
    "an upgrade and gzip": (head("POST", "/echo", *H2C, "Transfer-Encoding: gzip, chunked") + GET, [(501, None)]),
}
"""Malformed and refused requests between other requests of a connection: the responses come in the order of the
requests, and a refusal is the last response."""

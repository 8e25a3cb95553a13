"""Checks of a request's head (request line and headers) that the parser leaves out, such as lengths and Host."""

import re
from collections.abc import Sequence
from contextlib import suppress

from app.server.refusal import Refusal

MAX_HEAD_BYTES = 65_536
"""The most bytes of a request line with all headers; trailers have about the same limit. Proxies accept less: nginx 32
kB, Envoy 60 kB."""

MAX_HEADERS = 100
"""The most headers of a request, the same as in Apache, Envoy and gunicorn's own parser. Each header takes memory and
slows down every search through the headers: 13,000 headers would block the event loop for 27 ms."""

MAX_URL_BYTES = 8_192
"""The most bytes of a URL: RFC 9110 asks servers to accept 8,000 or more. A query then has at most 4,096 parameters."""

TOO_LARGE: Refusal = 431, f"A request has at most {MAX_HEADERS} headers, and {MAX_HEAD_BYTES} bytes of headers.", {}
OTHER_VERSION: Refusal = 426, "WebSockets have version 13.", {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
BAD_HANDSHAKE: Refusal = 400, "A handshake has a valid host, and a Sec-WebSocket-Key of 16 bytes in base64.", {}

HOST = re.compile(rb"([\w.~!$&'()*+,;=%-]*|\[[\da-fA-F:.]+\])(:\d*)?")
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")


def refused(method: bytes, url: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]) -> Refusal | None:
    """Return the refusal of a request's head, or None when the application may see the request.

    An ambiguous head is refused: a proxy in front of the service may choose the other of two Host headers, or see a
    different end of the body than this service (RFC 9112, 3.2 and 6.1). The proxy would then have checked a different
    request than the service answers.
    """
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if len(url) > MAX_URL_BYTES:
        return 414, f"The URL is longer than {MAX_URL_BYTES} bytes.", {}
    if len(hosts) > 1 or (version == "1.1" and not hosts) or not all(map(HOST.fullmatch, hosts)):
        return 400, "A request has exactly one Host header, with a valid host.", {}
    if method == b"CONNECT":
        return 501, "This service is no proxy.", {}
    if version != "1.1" and (version != "1.0" or codings):
        return 400, "A request is in HTTP/1.1, or in HTTP/1.0 without Transfer-Encoding.", {}
    if codings not in ([], [b"chunked"]):
        return 501, "The only supported Transfer-Encoding is chunked.", {}
    return None


def refused_handshake(headers: Sequence[tuple[bytes, bytes]]) -> Refusal | None:
    """Return the refusal of an invalid WebSocket handshake (RFC 6455, 4.2.1), or None.

    The WebSocket library would refuse the handshake as well, but without a request id and a log line.
    """
    versions = [value for name, value in headers if name == b"sec-websocket-version"]
    keys = [value for name, value in headers if name == b"sec-websocket-key"]
    if versions != [b"13"]:
        return OTHER_VERSION
    with suppress(UnicodeError):
        # `decode` raises UnicodeError for an invalid Host, as the WebSocket library would
        dict(headers)[b"host"].decode("idna")
        return None if KEY.fullmatch(b",".join(keys)) else BAD_HANDSHAKE
    return BAD_HANDSHAKE

"""Sends an HTTP request as bytes over a socket, for malformed requests that no HTTP client would send."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0
"""The timeout of a request, in seconds: ten times as long as four concurrent requests of 100 MB take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, headers and body of a response that arrived before the connection ended."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The body of a problem response (RFC 9457) as JSON; a response of a different content type fails the test."""
        assert self.headers["content-type"] == "application/problem+json", self
        read: dict[str, Any] = json.loads(self.body)
        assert read["status"] == self.status
        assert read["request_id"] == self.headers["x-request-id"]
        return read


async def asked(url: str, parts: Iterable[bytes]) -> Answer:
    """Send a whole request, and read the response only after the last byte, as simple HTTP clients do.

    Raises:
        OSError: the connection was reset before the end of the request or of the response.
        TimeoutError: no complete response came within TIMEOUT_SECONDS.
    """
    address = urlsplit(url)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            return Answer(
                int(first.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))
            )
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def head(method: str, target: str | bytes, *lines: str | bytes) -> bytes:
    """Return the request line, a Host header and these header lines as bytes; bytes in `lines` may be invalid HTTP."""
    encoded = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    path = target if isinstance(target, bytes) else target.encode("ascii")
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method.encode(), path), b"Host: service", *encoded, b"", b""])


def sevens(request: bytes) -> list[bytes]:
    """Return a request in pieces of seven bytes, so that pieces end inside of every HTTP token."""
    return [request[start : start + 7] for start in range(0, len(request), 7)]

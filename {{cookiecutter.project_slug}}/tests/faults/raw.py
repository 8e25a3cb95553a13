"""One request as bytes over a socket of its own, for what no HTTP client would send."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 20.0
"""No answer may take this long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client could read before the connection ended."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The body of a failure; anything but problem JSON fails the test."""
        assert self.headers["content-type"] == "application/problem+json", self
        read: dict[str, Any] = json.loads(self.body)
        assert read["status"] == self.status
        assert read["request_id"] == self.headers["x-request-id"]
        return read


async def asked(url: str, parts: Iterable[bytes]) -> Answer:
    """Send everything first, as simple clients do, and only then read.

    Raises:
        OSError: the connection was reset before all was sent or the answer was read.
        TimeoutError: there was no answer.
    """
    address = urlsplit(url)
    async with asyncio.timeout(SECONDS):
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
    """Write the head of a request."""
    encoded = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    path = target if isinstance(target, bytes) else target.encode("ascii")
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method.encode(), path), b"Host: service", *encoded, b"", b""])

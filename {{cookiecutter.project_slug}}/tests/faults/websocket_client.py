"""A small WebSocket client on a raw socket, as a service without event streams installs no WebSocket library."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.smoke.raw_http import head

HANDSHAKE = "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
TEXT, CLOSE = 1, 8
"""The opcodes of the frames that the tests send and expect."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A connection that has sent a WebSocket handshake; `response` is the head of the response, in lower case."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    response: str

    @property
    def status(self) -> int:
        """The status of the handshake's response; 101 opens the WebSocket."""
        return int(self.response.split()[1])

    def send(self, text: str) -> None:
        """Send a text of at most 125 bytes as a WebSocket frame."""
        self.writer.write(frame(text))

    async def receive(self) -> tuple[int, bytes]:
        """Return opcode and content of the next WebSocket frame; pings are skipped."""
        while True:
            first, length = await self.reader.readexactly(2)
            content = await self.reader.readexactly(length)
            if first & 0x0F in {TEXT, CLOSE}:
                return first & 0x0F, content

    async def asked(self, text: str) -> str:
        """Send a text over the WebSocket, and return the text of the reply."""
        self.send(text)
        kind, content = await self.receive()
        assert kind == TEXT, content
        return content.decode()


def frame(text: str) -> bytes:
    """Return the WebSocket frame of a text of at most 125 bytes, masked as the protocol demands of clients."""
    data, mask = text.encode(), os.urandom(4)
    masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))
    return bytes([0x80 | TEXT, 0x80 | len(data)]) + mask + masked


@asynccontextmanager
async def talking(
    url: str, path: str, *lines: str, ahead: bytes = b"", behind: bytes = b"", late: bytes = b""
) -> AsyncGenerator[Talk]:
    """Open a connection; send `ahead`, a WebSocket handshake and `behind` at once, and `late` 0.1 s later.

    The connection is closed at the end of the block.
    """
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(ahead + head("GET", path, *HANDSHAKE, KEY, *lines) + behind)
    if late:
        await asyncio.sleep(0.1)
        writer.write(late)
    for _ in range(ahead.count(b"HTTP/1.1")):
        length = (await reader.readuntil(b"\r\n\r\n")).lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length))
    response = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    try:
        yield Talk(reader, writer, response)
    finally:
        writer.close()

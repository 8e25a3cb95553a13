"""A fake downstream with faults on demand: each behaviour is a function that answers one request, well or badly.

`python -m tests.downstreams.faulty_server PORT` serves on loopback. A request for `/become/<name>` selects a behaviour;
a request for `/seen` returns the number of calls since then, and the most connections with a call at the same time; a
request below `/echo/` returns the request's target as it was received.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

Behave = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def answer(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1\r\n\r\n7")


async def never(_path: str, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def trickle(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.5)


async def hang_up(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hang_up_half_way(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n[1")
    writer.close()


async def reset(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def reset_half_way(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n[1")
    await asyncio.sleep(0.05)
    writer.transport.abort()


async def flood(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 50000000\r\n\r\n")
    with suppress(OSError):
        for _ in range(500):
            writer.write(b" " * 100_000)
            await writer.drain()


async def babble(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.invalid ESMTP\r\n\r\n")


async def fail(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")


async def no_json(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 9\r\n\r\n{not json")


async def a_page(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\n7")


BEHAVIOURS: dict[str, Behave] = {
    function.__name__: function
    for function in (
        *(answer, never, trickle, hang_up, hang_up_half_way, reset, reset_half_way),
        *(flood, babble, fail, no_json, a_page),
    )
}
"""The behaviours of the fake downstream, by name."""


class Server:
    """A fake downstream that counts calls, and whose behaviour changes with a request for `/become/<name>`."""

    def __init__(self) -> None:
        self._behaviour: Behave = answer
        self._calls = self._at_once = 0
        self._connections: set[asyncio.StreamReader] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests by the selected behaviour, until the client closes the connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
                if path.startswith("/become/"):
                    self._behaviour, self._calls, self._at_once = BEHAVIOURS[path.removeprefix("/become/")], 0, 0
                    self._connections.clear()
                    await answer(path, writer)
                elif path == "/seen":
                    seen = json.dumps({"calls": self._calls, "at_once": self._at_once}).encode()
                    writer.write(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(seen), seen))
                elif path.startswith("/echo/"):
                    target = json.dumps(path).encode()
                    writer.write(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(target), target))
                else:
                    await self._behave(path, reader, writer)
                await writer.drain()
        writer.close()

    async def _behave(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = {connection for connection in self._connections if connection.at_eof() or connection.exception()}
        self._connections = self._connections - left | {reader}
        self._calls += 1
        self._at_once = max(self._at_once, len(self._connections))
        try:
            await self._behaviour(path, writer)
        finally:
            self._connections.discard(reader)


async def main(port: int) -> None:
    """Serve the fake downstream on a port of this machine until the process is killed."""
    server = await asyncio.start_server(Server().serve, "127.0.0.1", port, backlog=1000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

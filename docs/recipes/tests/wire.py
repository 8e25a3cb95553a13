"""A proxy before a server that counts round trips, for the tests of the recipes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit


class Wire:
    """A proxy before a server that counts round trips: each time that a client sends and then waits for a reply."""

    def __init__(self, address: str) -> None:
        self.address, self.round_trips = urlsplit(address), 0

    async def of(self, work: Awaitable[Any]) -> int:
        """Return the number of round trips that some work makes."""
        before = self.round_trips
        await work
        return self.round_trips - before

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes between a client and the server until either side closes."""
        from_server, to_server = await asyncio.open_connection(self.address.hostname, self.address.port)
        answered = True

        async def there() -> None:
            nonlocal answered
            while data := await reader.read(65536):
                self.round_trips += answered
                answered = False
                to_server.write(data)
            to_server.close()

        async def back() -> None:
            nonlocal answered
            while data := await from_server.read(65536):
                await asyncio.sleep(0.01)  # what a client sends without waiting for this reply is not counted
                answered = True
                writer.write(data)
            writer.close()

        await asyncio.gather(there(), back(), return_exceptions=True)


@asynccontextmanager
async def counted(address: str) -> AsyncGenerator[tuple[Wire, str]]:
    """Yield a counting proxy of a server, and the address at which clients reach the proxy."""
    wire = Wire(address)
    async with await asyncio.start_server(wire.carry, "127.0.0.1", 0) as listener:
        user, port = wire.address.netloc.rpartition("@")[0], listener.sockets[0].getsockname()[1]
        yield wire, wire.address._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

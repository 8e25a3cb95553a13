"""A lifespan that closes what it opened, in reverse order, also when a later part of the start fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

closed: list[str] = []


async def close(name: str) -> None:
    closed.append(name)


@asynccontextmanager
async def lifespan(port: int) -> AsyncGenerator[None]:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(close, "engine")
        stack.push_async_callback(close, "http client")
        await asyncio.open_connection("127.0.0.1", port)  # the last step of the start-up fails
        yield


async def main() -> None:
    with suppress(OSError):
        async with lifespan(port=1):
            pass
    assert closed == ["http client", "engine"], closed


asyncio.run(main())

"""A refusal that a client can read: 413 is sent at once, and the connection is closed after the body has arrived."""

import asyncio

from app.web.lingering_close import LingeringClose
from starlette.responses import PlainTextResponse
from uvicorn import Config, Server

server = Server(Config(LingeringClose(PlainTextResponse("too large", 413), seconds=10), port=0, log_level="error"))


async def main() -> None:
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")
    for _ in range(200):
        writer.write(bytes(100_000))
        await writer.drain()

    assert (await reader.read()).startswith(b"HTTP/1.1 413")
    server.should_exit = True
    await serving


asyncio.run(main())

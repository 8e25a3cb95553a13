#!/usr/bin/env bash
# Versions: uvicorn 0.54.0 with zttp 0.0.35, starlette 1.10.0, h2 4.4.1 as the client. Python 3.11.
#
# Belief: the body of a StreamingResponse is made as fast as the client reads it: when the client is slow, `send` waits,
# the generator waits at its `yield`, and an export of gigabytes needs the memory of some chunks. `--http2` keeps that,
# as HTTP/2 even has a window of its own for each stream.
#
# Observed: that is so under HTTP/1.1. Under HTTP/2 of uvicorn, `send` waits for the socket only. When the window of the
# stream is used up (65,535 bytes until the client says that it has read them) nothing is written to the socket, so
# nothing waits: the generator runs to its end, and the whole body is kept in memory for a client that has read 64 kB of
# it.
#
# Output:
#   HTTP/1.1: the generator waits for its client
#   HTTP/2: the generator has made all 39 MB, the client has read 0.1 MB
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/export.py" <<'PROGRAM'
import asyncio

import uvicorn
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

CHUNK, CHUNKS = 65_536, 600  # far more than the buffers of a socket take
made = 0


async def rows():
    global made
    made = 0
    for _ in range(CHUNKS):
        made += 1
        yield b"x" * CHUNK


async def export(request):
    return StreamingResponse(rows())


async def until_it_waits() -> None:
    before = -1
    while before < made:
        before = made
        await asyncio.sleep(1)


async def slow_over_http_1(port: int) -> str:
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
    writer.write(b"GET /export HTTP/1.1\r\nHost: finding\r\n\r\n")
    await until_it_waits()
    writer.transport.abort()
    return "waits for its client" if made < CHUNKS else f"has made all {made * CHUNK // 1_000_000} MB"


async def slow_over_http_2(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client, read = H2Connection(H2Configuration(client_side=True)), 0
    client.initiate_connection()
    headers = {":method": "GET", ":scheme": "http", ":authority": "finding", ":path": "/export"}
    client.send_headers(1, list(headers.items()), end_stream=True)
    writer.write(client.data_to_send())
    while read < 65_535:
        for event in client.receive_data(await reader.read(CHUNK)):
            read += len(event.data) if isinstance(event, DataReceived) else 0  # and no word that it may send more
        writer.write(client.data_to_send())
    await until_it_waits()
    writer.transport.abort()
    if made < CHUNKS:
        return "waits for its client"
    return f"has made all {made * CHUNK // 1_000_000} MB, the client has read {read / 1_000_000:.1f} MB"


async def main() -> None:
    app = Starlette(routes=[Route("/export", export)])
    config = uvicorn.Config(app, port=0, log_level="critical", http="zttp", http2=True, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    print("HTTP/1.1: the generator", await slow_over_http_1(port))
    print("HTTP/2: the generator", await slow_over_http_2(port))
    server.should_exit = True
    await serving


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 zttp==0.0.35 starlette==1.10.0 h2==4.4.1
found=$("$folder/venv/bin/python" "$folder/export.py")
echo "$found"
[[ $found == $'HTTP/1.1: the generator waits for its client
HTTP/2: the generator has made all 39 MB, the client has read 0.1 MB' ]]

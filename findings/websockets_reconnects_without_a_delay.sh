#!/usr/bin/env bash
# Versions: websockets 17.4. Python 3.11.
#
# Belief: `async for websocket in connect(...)` waits longer and longer between its attempts while the server is in
# trouble, or takes the delays of `reconnect_delays`.
#
# Observed: a delay comes only after a handshake that failed. When the server accepts the connection and then closes it,
# as with 1013 (try again later), with a code of its own for a bad token, or by crashing, the loop of the documentation,
# `except ConnectionClosed: continue`, connects again at once and starts the delays anew. A client makes hundreds of
# connections a second, and its `reconnect_delays` is never asked. Sleep in the `except` branch, and start your own
# delays anew only after a message has come.
#
# Output, until the server has seen 100 connections:
#   handshake refused with 503: 99 delays
#   closed with 1013: 0 delays
#   closed with 4401: 0 delays
#   connection lost: 0 delays
# and with the delays of the library:
#   handshake refused with 503: fewer than 10 connections in 3 s
#   closed with 1013: more than 100 connections in 3 s
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/reconnects.py" <<'PROGRAM'
import asyncio
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class Server:
    def __init__(self, trouble: str) -> None:
        self.trouble, self.connections, self.enough = trouble, 0, asyncio.Event()

    def handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.connections += 1
        if self.connections == 100:
            self.enough.set()
        if self.trouble == "handshake refused with 503":
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "busy")
        return None

    async def handler(self, websocket: ServerConnection) -> None:
        match self.trouble.split():
            case ["closed", "with", code]:
                await websocket.close(int(code))
            case _:
                websocket.transport.abort()


async def client(port: int, **options: Any) -> None:
    async for websocket in connect(f"ws://127.0.0.1:{port}", proxy=None, **options):
        try:
            async for _ in websocket:
                pass
        except ConnectionClosed:
            continue


async def count_delays(trouble: str) -> None:
    delays = 0

    def short() -> Iterator[float]:
        nonlocal delays
        while True:
            delays += 1
            yield 0.01

    server = Server(trouble)
    async with serve(server.handler, "127.0.0.1", 0, process_request=server.handshake) as listener:
        task = asyncio.create_task(client(listener.sockets[0].getsockname()[1], reconnect_delays=short))
        await server.enough.wait()
        task.cancel()
        await asyncio.wait([task])
    print(f"{trouble}: {delays} delays")


async def count_connections(trouble: str) -> None:
    server = Server(trouble)
    async with serve(server.handler, "127.0.0.1", 0, process_request=server.handshake) as listener:
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await client(listener.sockets[0].getsockname()[1])
    few, many = server.connections < 10, server.connections > 100
    said = "fewer than 10" if few else "more than 100" if many else "10 to 100"
    print(f"{trouble}: {said} connections in 3 s")


async def main() -> None:
    for trouble in ("handshake refused with 503", "closed with 1013", "closed with 4401", "connection lost"):
        await count_delays(trouble)
    for trouble in ("handshake refused with 503", "closed with 1013"):
        await count_connections(trouble)


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check websockets==17.4
found=$("$folder/venv/bin/python" "$folder/reconnects.py" 2> /dev/null)
echo "$found"
[[ $found == 'handshake refused with 503: 99 delays
closed with 1013: 0 delays
closed with 4401: 0 delays
connection lost: 0 delays
handshake refused with 503: fewer than 10 connections in 3 s
closed with 1013: more than 100 connections in 3 s' ]]

#!/usr/bin/env bash
# Versions: uvicorn 0.54.0, websockets 17.4, fastapi 0.165.0. Python 3.11.
#
# Belief: uvicorn answers and awaits pings beside the application, so a healthy client stays connected for as long as it
# answers them, whether the handler reads messages or only sends.
#
# Observed: with the implementation that uvicorn takes by default, one message that the handler has not received yet
# pauses the reading of the socket, and the pongs of the client wait behind it. A handler that only sends, or is busy
# with one message while the next one waits, loses a healthy client with 1011 after `ws_ping_interval` and
# `ws_ping_timeout` (20 s each by default, 0.5 s and 2 s here). Receive in a task of its own, or set
# `ws_ping_timeout=None`. The older `ws="websockets"` reads on while up to 32 messages wait.
#
# Output:
#   auto, the client says nothing: closed with 1000
#   auto, the client says one thing: closed with 1011
#   websockets, the client says nothing: closed with 1000
#   websockets, the client says one thing: closed with 1000
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/feed.py" <<'PROGRAM'
import asyncio

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

app = FastAPI()


@app.websocket("/feed")
async def feed(websocket: WebSocket) -> None:
    """Send for five seconds, and receive nothing."""
    await websocket.accept()
    try:
        for number in range(50):
            await websocket.send_text(str(number))
            await asyncio.sleep(0.1)
        await websocket.close()
    except WebSocketDisconnect:
        pass


async def listen(port: int, messages: list[str]) -> int | None:
    async with connect(f"ws://127.0.0.1:{port}/feed", ping_interval=None) as client:
        for message in messages:
            await client.send(message)
        try:
            async for _ in client:
                pass
        except ConnectionClosed:
            pass
        return client.close_code


async def main() -> None:
    for name in ("auto", "websockets"):
        config = uvicorn.Config(app, port=0, log_level="critical", ws=name, ws_ping_interval=0.5, ws_ping_timeout=2)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        nothing, one = await asyncio.gather(listen(port, []), listen(port, ["hello"]))
        print(f"{name}, the client says nothing: closed with {nothing}")
        print(f"{name}, the client says one thing: closed with {one}")
        server.should_exit = True
        await serving


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 websockets==17.4 fastapi==0.165.0
found=$("$folder/venv/bin/python" -W ignore "$folder/feed.py")
echo "$found"
[[ $found == $'auto, the client says nothing: closed with 1000
auto, the client says one thing: closed with 1011
websockets, the client says nothing: closed with 1000
websockets, the client says one thing: closed with 1000' ]]

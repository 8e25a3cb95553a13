#!/usr/bin/env bash
# Versions: uvicorn 0.54.0 with zttp 0.0.35, h2 4.4.1 as the client. Python 3.11.
#
# Belief: at SIGTERM a server for HTTP/2 sends GOAWAY on each connection: the client sends its next requests over a new
# connection, to another replica, and the streams that are open are finished. So a rolling update fails no request.
#
# Observed: uvicorn finishes the open streams, and sends GOAWAY only after the last of them. Until then the client does
# not know that the server is stopping and goes on using the connection, and each new request on it is answered 503. One
# slow request or one server-sent event stream holds a connection in that state up to `timeout_graceful_shutdown`. Under
# HTTP/1.1 a connection has one request at a time and is closed after it, so that nothing is refused on it.
#
# Output:
#   the new request: 503
#   the open request: 200
#   GOAWAY
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/stop.py" <<'PROGRAM'
import asyncio

import uvicorn
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived

stop = asyncio.Event()
entered = asyncio.Event()


async def app(scope, receive, send):
    if scope["path"] == "/slow":
        entered.set()
        await stop.wait()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def main() -> None:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", http="zttp", http2=True, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname()[:2])
    client = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    client.initiate_connection()

    def ask(stream: int, path: str) -> None:
        headers = {":method": "GET", ":scheme": "http", ":authority": "finding", ":path": path}
        client.send_headers(stream, list(headers.items()), end_stream=True)
        writer.write(client.data_to_send())

    ask(1, "/slow")
    await entered.wait()
    listening = server.servers[0]
    server.should_exit = True  # as the handler of SIGTERM does
    while listening.is_serving():
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    ask(3, "/next")
    while data := await reader.read(65_536):
        for event in client.receive_data(data):
            if isinstance(event, ResponseReceived):
                name = "the new request" if event.stream_id == 3 else "the open request"
                print(f"{name}: {dict(event.headers)[':status']}")
                stop.set()
            elif isinstance(event, ConnectionTerminated):
                print("GOAWAY")
    writer.close()
    await serving


asyncio.run(asyncio.wait_for(main(), 30))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uvicorn==0.54.0 zttp==0.0.35 h2==4.4.1
found=$("$folder/venv/bin/python" "$folder/stop.py")
echo "$found"
[[ $found == $'the new request: 503\nthe open request: 200\nGOAWAY' ]]

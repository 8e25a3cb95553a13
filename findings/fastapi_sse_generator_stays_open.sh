#!/usr/bin/env bash
# Versions: fastapi 0.165.0 with starlette as it comes, uvicorn 0.54.0; asyncio. Python 3.11 and 3.12.
#
# Belief: when the client of a server-sent event stream has left, FastAPI closes the generator of the route, so that an
# `async with` around its `yield` ends at once, as that of a generator in a StreamingResponse does.
#
# Observed: a generator that waits at its `yield`, since the client does not read, stays open. FastAPI runs it in a task
# that hands each event over to the response; the cancellation ends the wait of that task, and does not reach the
# generator, which a cycle of references keeps alive until the next garbage collection. Between two collections,
# connections and semaphores of that `async with` are taken. A dependency with `yield` ends at once in both cases.
#
# Output:
#   StreamingResponse: closed
#   EventSourceResponse: open, closed by the garbage collection
#   EventSourceResponse, a dependency: closed
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/streams.py" <<'PROGRAM'
import asyncio
import gc
from collections.abc import AsyncIterable
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

app = FastAPI()
opened: list[str] = []
sent = 0


@asynccontextmanager
async def resource():
    opened.append("taken")
    try:
        yield
    finally:
        opened.clear()


async def dependency():
    async with resource():
        yield


async def endless():
    global sent
    while True:
        sent += 1
        yield "x" * 100_000
        await asyncio.sleep(0)


@app.get("/StreamingResponse")
async def plain():
    async def stream():
        async with resource():
            async for each in endless():
                yield f"data: {each}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.get("/EventSourceResponse", response_class=EventSourceResponse)
async def events() -> AsyncIterable[str]:
    async with resource():
        async for each in endless():
            yield each


@app.get("/EventSourceResponse, a dependency", response_class=EventSourceResponse)
async def events_of_a_dependency(_held: Annotated[None, Depends(dependency)]) -> AsyncIterable[str]:
    async for each in endless():
        yield each


async def leave(port: int, path: str) -> None:
    """Ask for a stream, read nothing until the generator has to wait, and leave."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
    writer.write(f"GET /{path.replace(' ', '%20')} HTTP/1.1\r\nHost: finding\r\n\r\n".encode())
    await reader.readuntil(b"data: ")
    before = -1
    while before < sent:
        before = sent
        await asyncio.sleep(0.5)
    writer.transport.abort()


async def main() -> None:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    port = server.servers[0].sockets[0].getsockname()[1]
    for path in ("StreamingResponse", "EventSourceResponse", "EventSourceResponse, a dependency"):
        gc.disable()
        await leave(port, path)
        await asyncio.sleep(2)
        state = "open" if opened else "closed"
        gc.enable()
        gc.collect()
        await asyncio.sleep(0.5)
        print(f"{path}: {state}" + (", closed by the garbage collection" if state == "open" and not opened else ""))
    server.should_exit = True
    await serving


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check fastapi==0.165.0 uvicorn==0.54.0
found=$("$python" "$folder/streams.py")
echo "$found"
[[ $found == $'StreamingResponse: closed\nEventSourceResponse: open, closed by the garbage collection\nEventSourceResponse, a dependency: closed' ]]

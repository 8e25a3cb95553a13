#!/usr/bin/env bash
# Versions: fastapi 0.165.0 with starlette as it comes, uvicorn 0.54.0. Python 3.11.
#
# Belief: when the client leaves in the middle of a stream, the stream is cancelled, so a dependency with `yield` has an
# exception (CancelledError) thrown in at its `yield`: the usual `try: yield; commit` with `except BaseException:
# rollback` rolls back what was done for a client that has not seen the end.
#
# Observed: under uvicorn the dependency is resumed normally, as after a complete answer, and commits, for each kind of
# stream. The generator of the route is cut off between two of its items, so half of the work is committed. An error
# that the generator itself raises does reach the dependency; the cancellation ends inside the response and does not.
# Commit at the end of the generator, not in the dependency.
#
# Output:
#   StreamingResponse: the generator is cut off, the dependency commits
#   JSON Lines: the generator is cut off, the dependency commits
#   EventSourceResponse: the generator is cut off, the dependency commits
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/streams.py" <<'PROGRAM'
import asyncio
from collections.abc import AsyncIterable
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

app = FastAPI()
seen: list[str] = []


async def transaction():
    try:
        yield
    except BaseException:
        seen.append("the dependency rolls back")
        raise
    seen.append("the dependency commits")


Transaction = Annotated[None, Depends(transaction)]


async def items(count: int):
    try:
        for number in range(count):
            yield str(number)
            await asyncio.sleep(0.02)
    except BaseException:
        seen.append("the generator is cut off")
        raise
    seen.append("the generator ends")


@app.get("/StreamingResponse")
async def plain(count: int, _transaction: Transaction):
    return StreamingResponse(items(count))


@app.get("/JSON Lines")
async def json_lines(count: int, _transaction: Transaction) -> AsyncIterable[str]:
    async for item in items(count):
        yield item


@app.get("/EventSourceResponse", response_class=EventSourceResponse)
async def events(count: int, _transaction: Transaction) -> AsyncIterable[str]:
    async for item in items(count):
        yield item


async def leave(port: int, path: str) -> None:
    """Read up to the third item of a stream of thousands, and leave."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{path.replace(' ', '%20')}?count=5000 HTTP/1.1\r\nHost: finding\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"2")
    writer.close()


async def main() -> None:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    for path in ("StreamingResponse", "JSON Lines", "EventSourceResponse"):
        seen.clear()
        await leave(port, path)
        for _ in range(500):
            if len(seen) == 2:
                break
            await asyncio.sleep(0.01)
        print(f"{path}: {', '.join(sorted(seen, reverse=True))}")
    server.should_exit = True
    await serving


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check fastapi==0.165.0 uvicorn==0.54.0
found=$("$folder/venv/bin/python" "$folder/streams.py")
echo "$found"
[[ $found == $'StreamingResponse: the generator is cut off, the dependency commits
JSON Lines: the generator is cut off, the dependency commits
EventSourceResponse: the generator is cut off, the dependency commits' ]]

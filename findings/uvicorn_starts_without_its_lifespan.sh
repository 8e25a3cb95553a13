#!/usr/bin/env bash
# Versions: uvicorn 0.54.0, fastapi 0.165.0, starlette 1.10.0. Python 3.11.
#
# Belief: when the start of the lifespan raises, uvicorn logs the error and does not start.
#
# Observed: this holds for an error in the function of the lifespan. When a middleware raises before it, for instance
# since it reads `scope["path"]`, which the scope of a lifespan does not have, uvicorn takes the application for one
# without lifespans: it logs one line at INFO, without the error, and serves. Routes without resources answer 200, and
# so do most probes; all others fail. Tests by httpx's ASGITransport or a TestClient without `with` run no lifespan and
# pass. `--lifespan on` makes it an error.
#
# Output:
#   lifespan auto: started, INFO ASGI 'lifespan' protocol appears unsupported., /health 200, /orders 500
#   lifespan on: ended with 3, ERROR Exception in 'lifespan' protocol
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/lifespans.py" <<'PROGRAM'
import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class Lines(logging.Handler):
    lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "'lifespan' protocol" in record.getMessage():
            self.lines.append(f"{record.levelname} {record.getMessage().strip()}")


class CountPaths:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.counts: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.counts[scope["path"]] = self.counts.get(scope["path"], 0) + 1
        await self.app(scope, receive, send)


@asynccontextmanager
async def resources(app: FastAPI) -> AsyncIterator[None]:
    app.state.orders = ["an order"]
    yield


app = FastAPI(lifespan=resources)
app.add_middleware(CountPaths)


@app.get("/health")
async def health() -> str:
    return "well"


@app.get("/orders")
async def orders() -> list[str]:
    return app.state.orders


async def serve(lifespan: str, found: list[str]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan=lifespan, log_config=None))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    found[:] = ["started", *Lines.lines]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as http:
        found += [f"{path} {(await http.get(path)).status_code}" for path in ("/health", "/orders")]
    server.should_exit = True
    await serving


logger = logging.getLogger("uvicorn.error")
logger.setLevel(logging.INFO)
logger.propagate = False
logger.addHandler(Lines())
for lifespan in ("auto", "on"):
    Lines.lines.clear()
    found: list[str] = []
    try:
        asyncio.run(serve(lifespan, found))
    except SystemExit as end:
        found = [f"ended with {end.code}", *Lines.lines]
    print(f"lifespan {lifespan}: {', '.join(found)}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 fastapi==0.165.0 starlette==1.10.0 httpx==0.28.1
found=$("$folder/venv/bin/python" "$folder/lifespans.py" 2>"$folder/tracebacks")
echo "$found"
[[ $found == $'lifespan auto: started, INFO ASGI \'lifespan\' protocol appears unsupported., /health 200, /orders 500
lifespan on: ended with 3, ERROR Exception in \'lifespan\' protocol' ]]

#!/usr/bin/env bash
# Versions: anyio 4.16.0, fastapi 0.165.0, starlette 1.10.0. Python 3.11.
#
# Belief: plain `def` routes of FastAPI run in at most 40 threads, the tokens of anyio's limiter. A deadline of
# `asyncio.timeout` round the application, in a middleware, frees the client and leaves that bound as it is.
#
# Observed: at the deadline the route's thread works on, and its token is given back at once. The next requests get new
# threads beside the old ones: with 5 tokens and a slow database 20 requests hold 20 threads, while the limiter says
# that none is in use. In an overload the deadline takes the bound away that was to keep the service alive. Under
# `anyio.fail_after` the bound holds, but there is no deadline: the client waits until the thread has ended.
#
# Output:
#   asyncio.timeout, 5 tokens: 20 requests, answered before their threads end, 20 threads at once, 0 tokens in use
#   anyio.fail_after, 5 tokens: 20 requests, answered after their threads end, 5 threads at once, 0 tokens in use
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/threads.py" <<'PROGRAM'
import asyncio
import threading
import time

import anyio
import httpx
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class Deadline:
    def __init__(self, app: ASGIApp, library: str) -> None:
        self.app = app
        self.library = library

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self.library == "asyncio.timeout":
                async with asyncio.timeout(0.5):
                    await self.app(scope, receive, send)
            else:
                with anyio.fail_after(0.5):
                    await self.app(scope, receive, send)
        except TimeoutError:
            await Response(status_code=504)(scope, receive, send)


async def waves(library: str) -> None:
    lock, answered = threading.Lock(), threading.Event()
    running = most = 0
    app = FastAPI()
    app.add_middleware(Deadline, library=library)
    limiter = current_default_thread_limiter()
    limiter.total_tokens = 5

    @app.get("/report")
    def report() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        answered.wait(30 if library == "asyncio.timeout" else 1)  # the slow database
        with lock:
            running -= 1
        return "done"

    waits: list[float] = []

    async def request() -> None:
        began = time.monotonic()
        await http.get("/report")
        waits.append(time.monotonic() - began)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finding") as http:
        for _ in range(4):
            await asyncio.gather(*[request() for _ in range(5)])
    used = limiter.borrowed_tokens
    answered.set()
    answer = "before their threads end" if min(waits) < 1 else "after their threads end"
    threads = f"{most} threads at once, {used} tokens in use"
    print(f"{library}, 5 tokens: {len(waits)} requests, answered {answer}, {threads}")


asyncio.run(waves("asyncio.timeout"))
asyncio.run(waves("anyio.fail_after"))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    anyio==4.16.0 fastapi==0.165.0 starlette==1.10.0 httpx==0.28.1
found=$("$folder/venv/bin/python" "$folder/threads.py")
echo "$found"
expected="asyncio.timeout, 5 tokens: 20 requests, answered before their threads end, 20 threads at once, 0 tokens in use
anyio.fail_after, 5 tokens: 20 requests, answered after their threads end, 5 threads at once, 0 tokens in use"
[[ $found == "$expected" ]]

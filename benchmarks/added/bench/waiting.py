"""Time many requests at once that only wait, through httpx's test transport, and write JSON into a file.

What comes on top of the wait is the CPU of everything in between; `programs` tells whose.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median

import httpx
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.settings import load_settings

SECONDS = 0.05
AT_ONCE = 100
TIMES = 15


async def wait() -> dict[str, bool]:
    """Wait, as for another service."""
    await asyncio.sleep(SECONDS)
    return {"waited": True}


async def client_alone(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Wait without a framework: what comes on top is httpx."""
    await asyncio.sleep(SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"waited":true}'})


def with_the_route(app: FastAPI) -> FastAPI:
    """Add the route."""
    app.get("/api/v1/wait")(wait)
    return app


async def storm(app: ASGIApp) -> float:
    """Send all at once and return how many times the wait it took until the last answer."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        await client.get("/api/v1/wait")
        started = time.perf_counter()
        answers = await asyncio.gather(*(client.get("/api/v1/wait") for _ in range(AT_ONCE)))
        seconds = time.perf_counter() - started
    for answer in answers:
        answer.raise_for_status()
    return seconds / SECONDS


async def main() -> dict[str, float]:
    """Return the median of each program; they take turns."""
    ours = with_the_route(create_app(load_settings()))
    programs: dict[str, ASGIApp] = {
        "httpx alone": client_alone,
        "L0": with_the_route(FastAPI(openapi_url=None)),
        "ours": ours,
    }
    async with ours.router.lifespan_context(ours):
        turns = [{name: await storm(app) for name, app in programs.items()} for _ in range(TIMES)]
    return {name: median(turn[name] for turn in turns) for name in programs}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main())), "utf-8")

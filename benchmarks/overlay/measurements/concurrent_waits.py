"""Times a hundred concurrent requests that only wait, through httpx's test transport, and writes JSON into a file.

Time on top of the wait is CPU time: of httpx, of FastAPI, and of the service. Three programs with more and more of
these parts separate the times.
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
from app.settings.load import load_settings

SECONDS = 0.05
CONCURRENT = 100
ROUNDS = 15


async def wait() -> dict[str, bool]:
    """Wait as long as a route that waits for a downstream."""
    await asyncio.sleep(SECONDS)
    return {"waited": True}


async def client_alone(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Wait in an ASGI application without a framework: any time on top of the wait is httpx's."""
    await asyncio.sleep(SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"waited":true}'})


def with_route(app: FastAPI) -> FastAPI:
    """Add the route that waits to an application, and return the application."""
    app.get("/api/v1/wait")(wait)
    return app


async def burst(app: ASGIApp) -> float:
    """Send all requests at once, and return the time until the last response as a multiple of a single wait."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        await client.get("/api/v1/wait")
        started = time.perf_counter()
        answers = await asyncio.gather(*(client.get("/api/v1/wait") for _ in range(CONCURRENT)))
        seconds = time.perf_counter() - started
    for answer in answers:
        answer.raise_for_status()
    return seconds / SECONDS


async def main() -> dict[str, float]:
    """Return each program's median time; the programs take turns, so that a slow moment of the machine hits each."""
    service = with_route(create_app(load_settings()))
    programs: dict[str, ASGIApp] = {
        "httpx alone": client_alone,
        "bare": with_route(FastAPI(openapi_url=None)),
        "service": service,
    }
    async with service.router.lifespan_context(service):
        turns = [{name: await burst(app) for name, app in programs.items()} for _ in range(ROUNDS)]
    return {name: median(turn[name] for turn in turns) for name in programs}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main())), "utf-8")

"""Time the ways to hand work over, and what the loop monitor costs."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from app.main import create_app
from app.observability.loop_monitor import LoopMonitor
from app.offload import Offload
from app.settings import load_settings
from app.supervisor import Supervisor

TIMES, ROUNDS = 300, 7
TURN_SECONDS, TURNS = 1.0, 15
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/health/live",
    "raw_path": b"/health/live",
    "root_path": "",
    "query_string": b"",
    "headers": [],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 2),
}


async def nothing() -> None:
    """Do nothing."""


async def microseconds(once: Callable[[], Awaitable[object]]) -> float:
    """Return the time of one call, as the median of rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(TIMES):
            await once()
        rounds.append((time.perf_counter() - begin) / TIMES * 1e6)
    return median(rounds)


async def ways() -> dict[str, float]:
    """Return microseconds for each way; `a process, started` is what the first call waits for."""
    offload, supervisor = Offload(threads=1, processes=1), Supervisor(tasks=2 * TIMES, stop_seconds=10)

    async def supervised() -> None:
        supervisor.start("nothing", nothing())
        await asyncio.sleep(0)

    begin = time.perf_counter()
    await offload.cpu(os.getpid)
    started = (time.perf_counter() - begin) * 1e6
    found = {
        "await": await microseconds(nothing),
        "supervisor": await microseconds(supervised),
        "thread": await microseconds(lambda: offload.blocking(os.getpid)),
        "process": await microseconds(lambda: offload.cpu(os.getpid)),
        "process, started": started,
    }
    await supervisor.close()
    await offload.close()
    return found


async def rate(app: Any) -> float:  # noqa: ANN401 - an ASGI application
    """Return the requests a second of a route that does nothing, for one turn."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: object) -> None:
        pass

    count, begin = 0, time.perf_counter()
    while (seconds := time.perf_counter() - begin) < TURN_SECONDS:
        for _ in range(20):
            await app(dict(SCOPE), receive, send)
        await asyncio.sleep(0)
        count += 20
    return count / seconds


async def monitored() -> float:
    """Return the rate with the monitor as a multiple of the one without: the median of pairs, in turns."""
    app = create_app(load_settings().model_copy(update={"loop_stall_seconds": 0.0}))
    ratios = []
    async with app.router.lifespan_context(app):
        await rate(app)
        for turn in range(TURNS):
            rates = {}
            for watched in (True, False) if turn % 2 else (False, True):
                with LoopMonitor(0.1 if watched else 0.0):
                    rates[watched] = await rate(app)
            ratios.append(rates[True] / rates[False])
    return median(ratios)


async def main() -> dict[str, float]:
    """Measure both."""
    return await ways() | {"monitored": await monitored()}

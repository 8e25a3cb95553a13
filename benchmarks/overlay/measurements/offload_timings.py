"""Timings of the ways to offload work (task, thread, process), and the cost of the loop monitor."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from app.main import create_app
from app.observability.loop_monitor import LoopMonitor
from app.settings.load import load_settings
from app.work.background import Supervisor
from app.work.offload import Offload
from app.work.processes import Processes

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
    """Do nothing, so that only the cost of offloading is measured."""


async def microseconds(call: Callable[[], Awaitable[object]]) -> float:
    """Return the microseconds per call of a way to offload work, as the median over rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(TIMES):
            await call()
        rounds.append((time.perf_counter() - begin) / TIMES * 1e6)
    return median(rounds)


async def ways() -> dict[str, float]:
    """Return the microseconds per call of each way to offload work; `process, started` includes the process's start."""
    offload, processes = Offload(threads=1), Processes(processes=1)
    supervisor = Supervisor(tasks=2 * TIMES, stop_seconds=10)

    async def supervised() -> None:
        supervisor.start("nothing", nothing())
        await asyncio.sleep(0)

    begin = time.perf_counter()
    await processes.run(os.getpid)
    started = (time.perf_counter() - begin) * 1e6
    found = {
        "await": await microseconds(nothing),
        "supervisor": await microseconds(supervised),
        "thread": await microseconds(lambda: offload.blocking(os.getpid)),
        "process": await microseconds(lambda: processes.run(os.getpid)),
        "process, started": started,
    }
    await supervisor.close()
    await processes.close()
    return found


async def rate(app: Any) -> float:  # noqa: ANN401 - `app` is any ASGI application
    """Return the requests per second of a route that does nothing, measured for a short turn."""

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


async def monitored_ratio() -> float:
    """Return the request rate with the loop monitor as a ratio to the rate without, as the median of pairs."""
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
    """Measure the ways to offload work, and what the loop monitor costs."""
    return await ways() | {"monitored": await monitored_ratio()}

"""The service with two more routes for tests under gunicorn: start background tasks, and block the event loop."""

import asyncio
import time

import structlog

from app.dependencies import SupervisorDep
from app.main import app

log = structlog.get_logger("work")


async def work(number: int, seconds: float) -> None:
    """Sleep like a background task at work, then log the number of the finished task."""
    await asyncio.sleep(seconds)
    log.info("work done", number=number)


@app.get("/start")
async def start(supervisor: SupervisorDep) -> None:
    """Start five background tasks: three of 0.5 s, and two of 60 s, for which a graceful shutdown does not wait."""
    for number in range(5):
        supervisor.start(f"work {number}", work(number, 0.5 if number < 3 else 60))


@app.get("/block")
async def block() -> None:
    """Block the event loop for longer than gunicorn's `timeout`, after which the master kills the worker."""
    time.sleep(60)  # noqa: ASYNC251 - blocking is the purpose of this route

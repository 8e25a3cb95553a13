"""The service with routes that start background work and that block the event loop; tests run it under gunicorn."""

import asyncio
import time

import structlog

from app.dependencies import SupervisorDep
from app.main import app

log = structlog.get_logger("work")


async def work(number: int, seconds: float) -> None:
    """Take so long, and say that it is done."""
    await asyncio.sleep(seconds)
    log.info("work done", number=number)


@app.get("/start")
async def start(supervisor: SupervisorDep) -> None:
    """Start three tasks that will finish and two that will not."""
    for number in range(5):
        supervisor.start(f"work {number}", work(number, 0.5 if number < 3 else 60))


@app.get("/block")
async def block() -> None:
    """Block the event loop for longer than anybody waits."""
    time.sleep(60)  # noqa: ASYNC251 - what the test is about

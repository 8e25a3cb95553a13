"""The service with routes whose work goes on after the response or the deadline; tests run the app under gunicorn."""

import asyncio
import time

from fastapi import BackgroundTasks

from app.dependencies import OffloadDep
from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())

WORK_SECONDS = 8.0
"""The duration of the work after a response, in seconds."""


@app.post("/answer-then-work")
async def answer(tasks: BackgroundTasks) -> None:
    """Respond at once, and work for WORK_SECONDS afterwards."""
    tasks.add_task(asyncio.sleep, WORK_SECONDS)


@app.get("/answer")
async def plain() -> None:
    """Respond at once."""


@app.get("/hold")
async def hold() -> None:
    """Respond after a second."""
    await asyncio.sleep(1)


class Running:
    """The number of blocking calls that run in threads now, and the largest number so far."""

    now = most = 0


BLOCK_SECONDS = 1.0


def block() -> None:
    Running.now += 1
    Running.most = max(Running.most, Running.now)
    time.sleep(BLOCK_SECONDS)
    Running.now -= 1


@app.get("/block")
async def blocking(offload: OffloadDep) -> None:
    """Respond after a blocking call of BLOCK_SECONDS in a thread."""
    await offload.blocking(block)


@app.get("/most")
async def most() -> int:
    """Return the largest number of blocking calls that ran in this worker at the same time."""
    return Running.most

"""The same wait of 50 ms in four ways, and one of any length for whoever plays the neighbour."""

import asyncio
import time
from collections.abc import Callable

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter

SECONDS = 0.05
TOKENS = 40
"""As many as anyio gives the sync routes of a process, so that only the pool differs."""


def build_router() -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    limiter = CapacityLimiter(TOKENS)
    for path, function in PATHS.items():
        router.get(path, response_model=None)(function)
    router.get("/wait/modelled")(wait_sync)

    @router.get("/wait/offloaded")
    async def wait_offloaded() -> float:
        """Wait in a thread of a pool with a limiter of its own."""
        await to_thread.run_sync(time.sleep, SECONDS, limiter=limiter)
        return SECONDS

    return router


async def hello() -> str:
    """Answer at once."""
    return "hello"


async def wait_async() -> float:
    """Give the loop back for the time of the wait."""
    await asyncio.sleep(SECONDS)
    return SECONDS


async def wait_blocking() -> float:
    """Keep the loop for the time of the wait: the mistake that this lab is about."""
    time.sleep(SECONDS)  # noqa: ASYNC251 - to see what it does
    return SECONDS


def wait_sync() -> float:
    """Wait in a thread of the pool that FastAPI keeps for routes without `async`."""
    time.sleep(SECONDS)
    return SECONDS


async def wait_for(milliseconds: int) -> int:
    """Answer after so long, as a slow service does."""
    await asyncio.sleep(milliseconds / 1000)
    return milliseconds


PATHS: dict[str, Callable[..., object]] = {
    "/hello": hello,
    "/wait/async": wait_async,
    "/wait/blocking": wait_blocking,
    "/wait/sync": wait_sync,
    "/wait/for/{milliseconds}": wait_for,
}
"""Without a response model: what a sync route returns by one is checked in a thread again, after one more queue."""

"""Routes of the lab that wait in four ways, 50 ms by default, and a route that waits as a slow downstream does."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter

SECONDS = 0.05
TOKENS = 40
"""The threads of the offload route: as many as anyio gives sync routes, so that only the pool differs."""


class Concurrency:
    """Counts the requests that wait in a route at the same time."""

    def __init__(self) -> None:
        self._waiting = 0
        self._lock = Lock()  # a lock, as sync routes run in several threads

    @contextmanager
    def counted(self) -> Iterator[int]:
        """Count a request as waiting until the end of the block, and yield how many requests wait."""
        with self._lock:
            self._waiting += 1
            waiting = self._waiting
        try:
            yield waiting
        finally:
            with self._lock:
                self._waiting -= 1


in_async, in_blocking, in_sync = Concurrency(), Concurrency(), Concurrency()


def build_router() -> APIRouter:
    """Return the routes that wait; a response is the number of requests that waited when the wait began."""
    router = APIRouter()
    limiter = CapacityLimiter(TOKENS)
    for path, function in PATHS.items():
        router.get(path, response_model=None)(function)
    router.get("/wait/modelled")(wait_sync)
    offloaded = Concurrency()

    def wait_in_thread(seconds: float) -> int:
        with offloaded.counted() as waiting:
            time.sleep(seconds)
        return waiting

    @router.get("/wait/offloaded", response_model=None)
    async def wait_offloaded(seconds: float = SECONDS) -> int:
        """Wait in a thread of a separate pool, whose limiter sync routes do not share."""
        return await to_thread.run_sync(wait_in_thread, seconds, limiter=limiter)

    return router


async def hello() -> str:
    """Answer at once, without waiting."""
    return "hello"


async def wait_async(seconds: float = SECONDS) -> int:
    """Wait with asyncio.sleep, which leaves the event loop free."""
    with in_async.counted() as waiting:
        await asyncio.sleep(seconds)
    return waiting


async def wait_blocking(seconds: float = SECONDS) -> int:
    """Wait with time.sleep in a coroutine, which blocks the event loop: the mistake that this lab is about."""
    with in_blocking.counted() as waiting:
        time.sleep(seconds)  # noqa: ASYNC251 - the lab shows the effect
    return waiting


def wait_sync(seconds: float = SECONDS) -> int:
    """Wait with time.sleep in a thread of the pool that FastAPI keeps for routes without `async`."""
    with in_sync.counted() as waiting:
        time.sleep(seconds)
    return waiting


async def wait_for(milliseconds: int) -> int:
    """Answer after a number of milliseconds, as a slow downstream does."""
    await asyncio.sleep(milliseconds / 1000)
    return milliseconds


PATHS: dict[str, Callable[..., object]] = {
    "/hello": hello,
    "/wait/async": wait_async,
    "/wait/blocking": wait_blocking,
    "/wait/sync": wait_sync,
    "/wait/for/{milliseconds}": wait_for,
}
"""Routes without a response model, because a sync route's result with a model would be validated in a second thread."""

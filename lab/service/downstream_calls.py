"""Routes of the lab that call a downstream: three calls in a row or at once, and slow calls, with a bulkhead or not."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter, FastAPI, HTTPException

from app.errors import Unavailable
from app.limits.bulkhead import Bulkhead

CONNECTIONS = 20
"""The number of connections of the HTTP client that all calls share."""
MAX_CONCURRENT, MAX_QUEUE = 10, 20
"""The most slow calls at a time: the bulkhead leaves half of the connections to the fast calls."""
LONG = 20.0
THREE, CALL_MS, SLOW_MS, FAST_MS = 3, 100, 250, 10


def build_router(downstream_url: str) -> APIRouter:
    """Return the routes that call a downstream."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    client = httpx.AsyncClient(base_url=downstream_url, limits=limits, timeout=LONG, trust_env=False)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    router = APIRouter(lifespan=lifespan)

    async def call(milliseconds: int) -> float:
        started = time.perf_counter()
        (await client.get(f"/wait/for/{milliseconds}")).raise_for_status()
        return time.perf_counter() - started

    @router.get("/calls/in-a-row")
    async def in_a_row() -> list[float]:
        return [await call(CALL_MS) for _ in range(THREE)]

    @router.get("/calls/gather")
    async def together() -> list[float]:
        return list(await asyncio.gather(*(call(CALL_MS) for _ in range(THREE))))

    @router.get("/calls/fast")
    async def fast() -> float:
        return await call(FAST_MS)

    add_slow(router, call)
    return router


def add_slow(router: APIRouter, call: Callable[[int], Awaitable[float]]) -> None:
    """Add the routes that call a slow and a fast downstream."""
    bulkhead = Bulkhead(
        max_concurrent=MAX_CONCURRENT,
        max_queue=MAX_QUEUE,
        queue_timeout_seconds=LONG,
        refusal="too many calls wait for it.",
    )

    @router.get("/calls/slow/without")
    async def slow() -> float:
        return await call(SLOW_MS)

    @router.get("/calls/slow/with")
    async def slow_behind_a_bulkhead() -> float:
        try:
            await bulkhead.enter()
        except Unavailable as full:
            raise HTTPException(503, full.detail) from None
        try:
            return await call(SLOW_MS)
        finally:
            bulkhead.leave()

"""Calls to another service: three of them in a row or at once, and slow ones with and without a semaphore."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter, FastAPI, HTTPException

from app.errors import Unavailable
from app.gate import Gate

CONNECTIONS = 20
"""Of the client that all calls share."""
PLACES, WAITING = 10, 20
"""The semaphore leaves the others half of the connections."""
LONG = 20.0
THREE, CALL_MS, SLOW_MS, FAST_MS = 3, 100, 250, 10


def build_router(neighbour: str) -> APIRouter:
    """Return the routes."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    client = httpx.AsyncClient(base_url=neighbour, limits=limits, timeout=LONG, trust_env=False)

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
    async def at_once() -> list[float]:
        return list(await asyncio.gather(*(call(CALL_MS) for _ in range(THREE))))

    @router.get("/calls/fast")
    async def fast() -> float:
        return await call(FAST_MS)

    add_slow(router, call)
    return router


def add_slow(router: APIRouter, call: Callable[[int], Awaitable[float]]) -> None:
    """Add the routes that need the slow service."""
    gate = Gate(places=PLACES, max_waiting=WAITING, max_wait_seconds=LONG, refusal="too many calls wait for it.")

    @router.get("/calls/slow/without")
    async def slow() -> float:
        return await call(SLOW_MS)

    @router.get("/calls/slow/with")
    async def slow_behind_a_semaphore() -> float:
        try:
            await gate.enter()
        except Unavailable as full:
            raise HTTPException(503, full.detail) from None
        try:
            return await call(SLOW_MS)
        finally:
            gate.leave()

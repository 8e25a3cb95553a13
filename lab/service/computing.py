"""The same loop of pure Python on the event loop, in threads and in processes."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.offload import Offload

STEPS = 1_000_000
"""About 50 ms of one CPU."""
THREADS = 40
PROCESSES = min(os.cpu_count() or 1, 4)
LONG = 30.0
"""Seconds that a call may take on a busy machine; the experiment is bounded by its count of calls."""


def build_router() -> APIRouter:
    """Return the routes; the processes end with the service."""
    offload = Offload(threads=THREADS, processes=PROCESSES, cpu_seconds=LONG)
    for gate in (offload.threads, offload.processes):
        gate.max_wait_seconds = LONG  # each call counts here, however slow the machine

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await offload.close()

    router = APIRouter(lifespan=lifespan)

    @router.get("/compute/loop")
    async def on_the_loop() -> float:
        return compute(STEPS)

    @router.get("/compute/threads")
    async def in_a_thread() -> float:
        return await offload.blocking(compute, STEPS)

    @router.get("/compute/processes")
    async def in_a_process() -> float:
        return await offload.cpu(compute, STEPS)

    return router


def compute(steps: int) -> float:
    """Keep a CPU busy and return the seconds that it took."""
    started = time.perf_counter()
    total = 0
    for step in range(steps):
        total += step * step
    return time.perf_counter() - started

"""Routes of the lab that compute the same in pure Python: on the event loop, in threads and in worker processes."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.work.offload import Offload
from app.work.processes import Processes

ITERATIONS = 1_000_000
"""The iterations of a call that computes: about 50 ms of CPU time."""
THREADS = 40
PROCESSES = min(os.cpu_count() or 1, 4)
LONG = 30.0
"""The timeout of a call in seconds, also on a busy machine; the count of calls bounds the experiment."""


def build_router() -> APIRouter:
    """Return the routes that compute; the worker processes end with the service."""
    offload, processes = Offload(threads=THREADS), Processes(processes=PROCESSES, timeout_seconds=LONG)
    for bulkhead in (offload.threads, processes.bulkhead):
        bulkhead.queue_timeout_seconds = LONG  # so long that no call is refused, however slow the machine

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await processes.close()

    router = APIRouter(lifespan=lifespan)

    @router.get("/compute/loop")
    async def on_the_loop() -> float:
        return compute(ITERATIONS)

    @router.get("/compute/threads")
    async def in_a_thread() -> float:
        return await offload.blocking(compute, ITERATIONS)

    @router.get("/compute/processes")
    async def in_a_process() -> float:
        return await processes.run(compute, ITERATIONS)

    return router


def compute(iterations: int) -> float:
    """Keep a CPU busy for some iterations, and return the seconds that this takes."""
    started = time.perf_counter()
    total = 0
    for number in range(iterations):
        total += number * number
    return time.perf_counter() - started

"""Cases that block in code that the event loop calls later: callbacks, tasks, log handlers."""

import asyncio
import logging
import time
from typing import Any

from fastapi import APIRouter

router = APIRouter()

SECONDS = 0.2


def slow_callback() -> None:
    time.sleep(SECONDS)


@router.get("/a_callback_soon")
async def a_callback_soon() -> None:
    asyncio.get_running_loop().call_soon(slow_callback)
    await asyncio.sleep(0.01)


def late_callback(seconds: float) -> None:
    time.sleep(seconds)


@router.get("/a_callback_later")
async def a_callback_later() -> None:
    asyncio.get_running_loop().call_later(0.001, late_callback, SECONDS)
    await asyncio.sleep(0.02)


def callback_from_a_thread() -> None:
    time.sleep(SECONDS)


@router.get("/a_callback_from_a_thread")
async def a_callback_from_a_thread() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(loop.call_soon_threadsafe, callback_from_a_thread)
    await asyncio.sleep(0.01)


async def quick() -> None:
    return None


def slow_note(_task: "asyncio.Task[None]") -> None:
    time.sleep(SECONDS)


@router.get("/a_done_callback")
async def a_done_callback() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(quick()).add_done_callback(slow_note)
    await asyncio.sleep(0.01)


async def slow_child() -> None:
    time.sleep(SECONDS)


@router.get("/a_child_of_a_group")
async def a_child_of_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(slow_child())


async def slow_branch() -> int:
    time.sleep(SECONDS / 2)
    return 1


@router.get("/gathered_calls")
async def gathered_calls() -> list[int]:
    return await asyncio.gather(slow_branch(), slow_branch())


async def left_alone() -> None:
    time.sleep(SECONDS)


@router.get("/a_task_of_its_own")
async def a_task_of_its_own() -> None:
    task = asyncio.create_task(left_alone())
    await asyncio.wait([task])


class SlowHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        time.sleep(SECONDS)


slow_log = logging.getLogger("loop_corpus.slow")
slow_log.addHandler(SlowHandler())
slow_log.propagate = False


@router.get("/a_log_handler")
async def a_log_handler() -> None:
    slow_log.warning("an order came")


@router.get("/inside_a_timeout")
async def inside_a_timeout() -> None:
    async with asyncio.timeout(5):
        time.sleep(SECONDS)


class Lease:
    def __del__(self) -> None:
        time.sleep(SECONDS)


@router.get("/a_finalizer")
async def a_finalizer() -> None:
    lease: Any = Lease()
    del lease


async def looks_async() -> None:
    time.sleep(SECONDS)


@router.get("/an_async_function_without_an_await")
async def an_async_function_without_an_await() -> None:
    await looks_async()

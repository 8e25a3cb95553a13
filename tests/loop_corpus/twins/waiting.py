"""Correct twins that wait without blocking the event loop."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, BackgroundTasks, Depends
from fastapi.concurrency import run_in_threadpool

router = APIRouter()

SECONDS = 0.1


@router.get("/an_awaited_sleep")
async def an_awaited_sleep() -> None:
    await asyncio.sleep(SECONDS)


async def a_while() -> None:
    await anyio.sleep(SECONDS)


@router.get("/a_called_function_that_awaits")
async def a_called_function_that_awaits() -> None:
    await a_while()


def patient() -> None:
    threading.Event().wait(SECONDS)


@router.get("/a_wait_in_a_thread")
async def a_wait_in_a_thread() -> None:
    await asyncio.to_thread(patient)


@router.get("/a_wait_in_a_thread_of_the_framework")
async def a_wait_in_a_thread_of_the_framework() -> None:
    await run_in_threadpool(patient)


@router.get("/a_route_without_async")
def a_route_without_async() -> None:
    patient()


def session() -> str:
    patient()
    return "session"


@router.get("/a_dependency_without_async")
async def a_dependency_without_async(found: Annotated[str, Depends(session)]) -> str:
    return found


@contextlib.asynccontextmanager
async def lease() -> AsyncIterator[None]:
    await asyncio.sleep(SECONDS)
    yield


@router.get("/an_async_context_manager")
async def an_async_context_manager() -> None:
    async with lease():
        pass


async def pages() -> AsyncIterator[int]:
    for number in range(2):
        await asyncio.sleep(SECONDS / 2)
        yield number


@router.get("/an_async_generator")
async def an_async_generator() -> list[int]:
    return [page async for page in pages()]


@router.get("/a_background_task_without_async")
async def a_background_task_without_async(tasks: BackgroundTasks) -> None:
    tasks.add_task(patient)


@router.get("/a_group_of_tasks")
async def a_group_of_tasks() -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(a_while())


@router.get("/an_event_set_later")
async def an_event_set_later() -> bool:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(SECONDS, event.set)
    return await event.wait()


@router.get("/a_lock_for_tasks")
async def a_lock_for_tasks() -> None:
    lock = asyncio.Lock()
    async with lock:
        await a_while()


@router.get("/a_queue_for_tasks")
async def a_queue_for_tasks() -> int:
    jobs: asyncio.Queue[int] = asyncio.Queue()
    asyncio.get_running_loop().call_later(SECONDS, jobs.put_nowait, 1)
    return await jobs.get()


@router.get("/a_timeout_around_a_wait")
async def a_timeout_around_a_wait() -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await asyncio.sleep(5)

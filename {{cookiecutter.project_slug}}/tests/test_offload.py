"""Threads for calls that would stop the event loop: their bounds, and that no place is lost."""

import asyncio
import gc
import time
from collections.abc import Iterator

import pytest

from app.errors import Unavailable
from app.main import create_app
from app.offload import WAITING_PER_PLACE, Offload
from tests.conftest import client_of
from tests.databases import make_settings
from tests.heartbeat import heartbeat
from tests.jobs import Stuck
from tests.tasks import cancel, until


@pytest.fixture
def one() -> Offload:
    """One thread."""
    return Offload(threads=1, processes=1)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """A blocking call that ends with the test at the latest."""
    call = Stuck()
    yield call
    call.end.set()


async def test_the_loop_turns_while_a_call_blocks(one: Offload) -> None:
    async with heartbeat() as beat:
        await one.blocking(time.sleep, 0.3)

    assert beat.share < 0.5


async def test_a_queue_that_is_full_refuses(one: Offload, stuck: Stuck) -> None:
    calls = [asyncio.create_task(one.blocking(stuck)) for _ in range(1 + WAITING_PER_PLACE)]
    await until(stuck.running.is_set)

    with pytest.raises(Unavailable, match="Too many"):
        await one.blocking(stuck)
    stuck.end.set()
    await asyncio.gather(*calls)


async def test_a_thread_keeps_its_place_when_its_caller_is_cancelled(one: Offload, stuck: Stuck) -> None:
    """It cannot be stopped; to give its place away would make threads without bound."""
    one.threads.max_wait_seconds = 0.01
    call = asyncio.create_task(one.blocking(stuck))
    await until(stuck.running.is_set)
    await cancel(call)

    with pytest.raises(Unavailable, match="Too many"):
        await one.blocking(time.sleep, 0)
    stuck.end.set()
    await until(lambda: one.threads.in_use == 0)
    await one.blocking(time.sleep, 0)


async def test_a_failure_that_nobody_waits_for_makes_no_noise(one: Offload, stuck: Stuck) -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context))
    call = asyncio.create_task(one.blocking(stuck.then_fail))
    await until(stuck.running.is_set)
    await cancel(call)
    del call
    stuck.end.set()
    await until(lambda: one.threads.in_use == 0)
    gc.collect()
    asyncio.get_running_loop().set_exception_handler(None)

    assert heard == []


async def test_sync_routes_and_offloaded_calls_take_no_threads_from_each_other(committed_url: str) -> None:
    routes, calls = Stuck(), Stuck()
    app = create_app(make_settings(committed_url, thread_tokens=1, offload_threads=1))
    app.get("/sync")(routes)
    async with app.router.lifespan_context(app), client_of(app) as client:
        route = asyncio.create_task(client.get("/sync"))
        await until(routes.running.is_set)
        call = asyncio.create_task(app.state.resources.offload.blocking(calls))
        await until(calls.running.is_set)
        routes.end.set()
        first, second = await route, await client.get("/sync")
        calls.end.set()
        await call

    assert (first.status_code, second.status_code) == (200, 200)

"""Blocking calls in offload threads do not block the event loop, are bounded in number, and lose no slot."""

import asyncio
import gc
import time
from collections.abc import Iterator

import pytest

from app.errors import Unavailable
from app.main import create_app
from app.work.offload import QUEUE_PER_CALL, Offload
from tests.conftest import client_of
from tests.databases import make_settings
from tests.offloaded_functions import BlockingCall
from tests.tasks import cancel, until


@pytest.fixture
def offload() -> Offload:
    """Offloads blocking calls to a single thread, so that a second call has to queue."""
    return Offload(threads=1)


@pytest.fixture
def blocking_call() -> Iterator[BlockingCall]:
    """A function that blocks an offload thread until the test sets `end`, or at the latest until the test ends."""
    call = BlockingCall()
    yield call
    call.end.set()


async def test_the_event_loop_turns_while_a_call_blocks(offload: Offload, blocking_call: BlockingCall) -> None:
    call = asyncio.create_task(offload.blocking(blocking_call))
    await until(blocking_call.running.is_set)

    assert not call.done()  # the event loop runs this line while the call blocks its thread
    blocking_call.end.set()
    await call


async def test_a_full_queue_refuses_a_call(offload: Offload, blocking_call: BlockingCall) -> None:
    calls = [asyncio.create_task(offload.blocking(blocking_call)) for _ in range(1 + QUEUE_PER_CALL)]
    await until(blocking_call.running.is_set)

    with pytest.raises(Unavailable, match="Too many"):
        await offload.blocking(blocking_call)
    blocking_call.end.set()
    await asyncio.gather(*calls)


async def test_a_thread_keeps_its_slot_when_its_caller_is_cancelled(
    offload: Offload, blocking_call: BlockingCall
) -> None:
    """A thread cannot be stopped: if a cancelled caller freed the slot, the number of threads would be unbounded."""
    offload.threads.queue_timeout_seconds = 0.01
    call = asyncio.create_task(offload.blocking(blocking_call))
    await until(blocking_call.running.is_set)
    await cancel(call)

    with pytest.raises(Unavailable, match="Too many"):
        await offload.blocking(time.sleep, 0)
    blocking_call.end.set()
    await until(lambda: offload.threads.in_use == 0)
    await offload.blocking(time.sleep, 0)


async def test_a_failure_whose_caller_was_cancelled_is_not_reported_by_asyncio(
    offload: Offload, blocking_call: BlockingCall
) -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context))
    call = asyncio.create_task(offload.blocking(blocking_call.then_fail))
    await until(blocking_call.running.is_set)
    await cancel(call)
    del call
    blocking_call.end.set()
    await until(lambda: offload.threads.in_use == 0)
    gc.collect()
    asyncio.get_running_loop().set_exception_handler(None)

    assert heard == []


async def test_sync_routes_and_offloaded_calls_use_separate_threads(committed_url: str) -> None:
    routes, calls = BlockingCall(), BlockingCall()
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

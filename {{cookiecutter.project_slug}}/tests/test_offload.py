"""Threads and processes for what would stop the event loop: their bounds, and that no place and no process is lost."""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.errors import Unavailable
from app.main import create_app
from app.offload import WAITING_PER_PLACE, Offload
from tests.conftest import client_of
from tests.databases import make_settings
from tests.heartbeat import heartbeat
from tests.jobs import Stuck, compute, die, fail

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="asks for a process by a signal")


@pytest.fixture
def one() -> Offload:
    """One thread, one process, and a time limit that no test waits for."""
    return Offload(threads=1, processes=1, cpu_seconds=30)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """A blocking call that ends with the test at the latest."""
    call = Stuck()
    yield call
    call.end.set()


async def until(fact: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110 - threads and processes set no event of this loop
            await asyncio.sleep(0.01)


def exists(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_loop_turns_while_a_call_blocks(one: Offload) -> None:
    async with heartbeat() as beat:
        await one.blocking(time.sleep, 0.3)

    assert beat.share < 0.5


async def test_the_loop_turns_while_python_computes(one: Offload) -> None:
    async with heartbeat() as beat:
        there = await one.cpu(compute, 0.3)

    assert there != os.getpid()
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


async def test_work_that_takes_too_long_is_refused_and_its_process_is_ended(one: Offload) -> None:
    process = await one.cpu(os.getpid)
    one.cpu_seconds = 0.2

    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await one.cpu(time.sleep, 60)
    one.cpu_seconds = 30
    assert await one.cpu(os.getpid) != process
    assert not exists(process)


@pytest.mark.parametrize("end", [die, sys.exit])
async def test_a_process_that_ends_is_a_clear_error_and_is_replaced(one: Offload, end: Callable[[], None]) -> None:
    process = await one.cpu(os.getpid)

    with pytest.raises(Unavailable, match="process that worked on this ended"):
        await one.cpu(end)
    assert await one.cpu(os.getpid) != process


async def test_an_idle_process_that_was_killed_costs_nobody_anything(one: Offload) -> None:
    process = await one.cpu(os.getpid)
    os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))

    assert await one.cpu(os.getpid) != process


async def test_what_the_function_raises_arrives(one: Offload) -> None:
    with pytest.raises(TimeoutError, match="its own"):
        await one.cpu(fail)


async def test_the_work_of_a_cancelled_caller_is_ended(one: Offload) -> None:
    process = await one.cpu(os.getpid)
    work = asyncio.create_task(one.cpu(time.sleep, 60))
    await asyncio.sleep(0.1)
    await cancel(work)

    assert await one.cpu(os.getpid) != process
    assert not exists(process)
    assert one.processes.in_use == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
async def test_a_caller_that_is_cancelled_while_its_process_starts_leaves_no_process_behind(one: Offload) -> None:
    def children() -> set[str]:
        found: set[str] = set()
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                _name, _, rest = status.read_text("ascii", errors="replace").rpartition(")")
                if rest.split()[1] == str(os.getpid()):
                    found.add(status.parent.name)
        return found

    os.kill(await one.cpu(os.getpid), signal.SIGKILL)  # an idle one would start nothing
    before = children()
    call = asyncio.create_task(one.cpu(os.getpid))
    await until(lambda: bool(children() - before))
    await cancel(call)

    process = await one.cpu(os.getpid)

    assert children() - before == {str(process)}

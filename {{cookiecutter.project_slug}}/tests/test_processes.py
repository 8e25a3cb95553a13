"""Processes for what computes: killed when they must stop, replaced when they died, and none left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest

from app.errors import Unavailable
from app.main import create_app
from app.offload import Offload
from app.processes import Helper, ProcessEnded
from tests.databases import make_settings
from tests.heartbeat import heartbeat
from tests.jobs import compute, die, fail
from tests.pids import children, exists
from tests.tasks import cancel, until

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="asks for a process by a signal")


@pytest.fixture
async def one() -> AsyncIterator[Offload]:
    """One process, and a time limit that no test waits for."""
    offload = Offload(threads=1, processes=1, cpu_seconds=30)
    yield offload
    await offload.close()


@pytest.fixture
async def two() -> AsyncIterator[Offload]:
    """Two of each."""
    offload = Offload(threads=2, processes=2, cpu_seconds=30)
    yield offload
    await offload.close()


async def test_the_loop_turns_while_python_computes(one: Offload) -> None:
    async with heartbeat() as beat:
        there = await one.cpu(compute, 0.3)

    assert there != os.getpid()
    assert beat.share < 0.5


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


@posix_only
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
async def test_a_signal_to_all_processes_of_the_service_leaves_work_to_the_drain(one: Offload, name: str) -> None:
    pid = await one.cpu(compute, 0.0)
    working = asyncio.create_task(one.cpu(compute, 0.5))
    await asyncio.sleep(0.1)

    os.kill(pid, getattr(signal, name))

    assert await working == pid


async def test_what_the_function_raises_arrives(one: Offload) -> None:
    with pytest.raises(TimeoutError, match="its own") as failure:
        await one.cpu(fail)

    assert "in fail\n" in failure.value.__notes__[0]  # without the note the traceback would end at the pipe


async def test_the_work_of_a_cancelled_caller_is_ended(one: Offload) -> None:
    process = await one.cpu(os.getpid)
    work = asyncio.create_task(one.cpu(time.sleep, 60))
    await asyncio.sleep(0.1)
    await cancel(work)

    assert await one.cpu(os.getpid) != process
    assert not exists(process)
    assert one.processes.in_use == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
async def test_callers_that_are_cancelled_while_their_processes_start_leave_none_behind(two: Offload) -> None:
    await two.cpu(os.getpid)  # starts the resource tracker of multiprocessing too
    os.kill(await two.cpu(os.getpid), signal.SIGKILL)  # an one that is idle would start nothing
    before = children()
    calls = [asyncio.create_task(two.cpu(time.sleep, 60)) for _ in range(2)]
    await until(lambda: bool(children() - before))
    for call in calls:
        await cancel(call)
    await until(lambda: two.processes.in_use == 0)
    processes = await asyncio.gather(two.cpu(compute, 0.2), two.cpu(compute, 0.2))

    assert len(set(processes)) == 2
    assert children() - before <= {str(process) for process in processes}


def test_a_stop_that_comes_before_the_start_holds() -> None:
    """The thread that starts the process may be slower than the caller that leaves."""
    helper = Helper()
    helper.expect()
    helper.stop()

    with pytest.raises(ProcessEnded):
        helper.call(30, time.sleep, 0)


async def test_a_caller_that_leaves_too_late_ends_nobody_elses_work(one: Offload) -> None:
    first = asyncio.create_task(one.cpu(os.getpid))
    second = asyncio.create_task(one.cpu(compute, 0.3))
    await until(lambda: one.processes.waiting == 1)
    call = next(iter(one._busy))  # noqa: SLF001 - the moment between its end and its caller's turn
    call.add_done_callback(lambda _call: first.cancel())

    assert await second
    assert first.cancelled()


async def test_one_that_dies_or_has_to_be_killed_fails_no_other(two: Offload) -> None:
    """In the standard library's pool it does."""
    work = asyncio.create_task(two.cpu(compute, 0.5))
    stopped = asyncio.create_task(two.cpu(time.sleep, 60))
    await asyncio.sleep(0.2)
    await cancel(stopped)
    with pytest.raises(Unavailable, match="ended"):
        await two.cpu(die)

    assert exists(await work)


@pytest.mark.parametrize("busy", [False, True])
async def test_the_lifespan_ends_the_processes_and_what_runs_in_them(committed_url: str, *, busy: bool) -> None:
    app = create_app(make_settings(committed_url))
    async with app.router.lifespan_context(app):
        offload: Offload = app.state.resources.offload
        process = await offload.cpu(os.getpid)
        if busy:
            work = asyncio.create_task(offload.cpu(time.sleep, 60))
            await until(lambda: offload.processes.in_use == 1)

    assert not exists(process)
    if busy:
        with pytest.raises(Unavailable, match="ended"):
            await work
    with pytest.raises(Unavailable, match="stopping"):
        await offload.cpu(os.getpid)


@posix_only
@pytest.mark.parametrize("then", ["input()", "helper.call(1, time.sleep, 60)"], ids=["idle", "busy"])
def test_a_process_does_not_outlive_a_service_that_was_killed(then: str) -> None:
    """An idle one sees its pipe close; one that works has a watchdog."""
    start = "helper = Helper(); helper.expect(); print(helper.call(5, os.getpid), flush=True)"
    command = [sys.executable, "-c", f"import os, time; from app.processes import Helper; {start}; {then}"]
    service = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert service.stdout is not None
    process = int(service.stdout.readline())
    time.sleep(0.1)  # it may begin to work
    service.kill()
    service.communicate()

    end = time.monotonic() + 10
    while exists(process):
        assert time.monotonic() < end
        time.sleep(0.01)

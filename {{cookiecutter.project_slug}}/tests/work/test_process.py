"""Worker processes for computations: killed at the timeout, replaced when they die, and never left behind."""

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
from app.work.process import ProcessEnded, WorkerProcess
from app.work.processes import Processes
from tests.computed_functions import compute, die, fail
from tests.databases import make_settings
from tests.heartbeat import heartbeat
from tests.process_ids import child_pids, process_exists
from tests.tasks import cancel, until

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="sends signals to processes")


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    """A single worker process, with a timeout of 120 s that no test reaches."""
    processes = Processes(processes=1, timeout_seconds=120)
    processes.bulkhead.queue_timeout_seconds = 120  # in seconds: on a busy machine, a worker process starts slowly
    yield processes
    await processes.close()


@pytest.fixture
async def two_processes() -> AsyncIterator[Processes]:
    """Two worker processes, so that two calls run concurrently."""
    processes = Processes(processes=2, timeout_seconds=120)
    processes.bulkhead.queue_timeout_seconds = 120  # in seconds: on a busy machine, a worker process starts slowly
    yield processes
    await processes.close()


async def test_the_event_loop_turns_while_python_computes(processes: Processes) -> None:
    async with heartbeat() as beat:
        worker = await processes.run(compute, 0.3)

    assert worker != os.getpid()
    assert beat.count > 10  # wake-ups of the event loop: 0 if the computation blocked the loop, 250 on an idle machine


async def test_work_that_takes_too_long_is_refused_and_its_process_is_killed(processes: Processes) -> None:
    process = await processes.run(os.getpid)
    processes.timeout_seconds = 0.2

    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await processes.run(time.sleep, 60)
    processes.timeout_seconds = 120
    assert await processes.run(os.getpid) != process
    assert not process_exists(process)


@pytest.mark.parametrize("end", [die, sys.exit])
async def test_a_process_that_ends_is_a_clear_error_and_is_replaced(
    processes: Processes, end: Callable[[], None]
) -> None:
    process = await processes.run(os.getpid)

    with pytest.raises(Unavailable, match="process that worked on this ended"):
        await processes.run(end)
    assert await processes.run(os.getpid) != process


async def test_an_idle_process_that_was_killed_is_replaced_without_an_error(processes: Processes) -> None:
    process = await processes.run(os.getpid)
    os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))

    assert await processes.run(os.getpid) != process


@posix_only
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
async def test_a_worker_process_ignores_the_signals_that_start_the_drain(processes: Processes, name: str) -> None:
    pid = await processes.run(compute, 0.0)
    working = asyncio.create_task(processes.run(compute, 0.5))
    await asyncio.sleep(0.1)

    os.kill(pid, getattr(signal, name))

    assert await working == pid


async def test_an_exception_of_the_function_reaches_the_caller_with_its_traceback(processes: Processes) -> None:
    with pytest.raises(TimeoutError, match="its own") as failure:
        await processes.run(fail)

    # the note has the worker process's stack frames, which the traceback of this process lacks
    assert "in fail\n" in failure.value.__notes__[0]


async def test_the_process_of_a_cancelled_caller_is_killed(processes: Processes) -> None:
    process = await processes.run(os.getpid)
    work = asyncio.create_task(processes.run(time.sleep, 60))
    await asyncio.sleep(0.1)
    await cancel(work)

    assert await processes.run(os.getpid) != process
    assert not process_exists(process)
    assert processes.bulkhead.in_use == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
async def test_callers_that_are_cancelled_while_their_processes_start_leave_none_behind(
    two_processes: Processes,
) -> None:
    await two_processes.run(os.getpid)  # starts multiprocessing's resource tracker too, before the children are counted
    # kills the idle process, so that both calls below must start a process
    os.kill(await two_processes.run(os.getpid), signal.SIGKILL)
    before = child_pids()
    calls = [asyncio.create_task(two_processes.run(time.sleep, 60)) for _ in range(2)]
    await until(lambda: bool(child_pids() - before))
    for call in calls:
        await cancel(call)
    await until(lambda: two_processes.bulkhead.in_use == 0)
    pids = await asyncio.gather(two_processes.run(compute, 0.2), two_processes.run(compute, 0.2))

    assert len(set(pids)) == 2
    assert child_pids() - before <= {str(pid) for pid in pids}


def test_a_stop_that_comes_before_the_start_holds() -> None:
    """A caller may stop a worker process before a thread has started it; the start must then raise ProcessEnded."""
    worker_process = WorkerProcess()
    worker_process.expect()
    worker_process.stop()

    with pytest.raises(ProcessEnded):
        worker_process.call(30, time.sleep, 0)


async def test_a_caller_that_leaves_too_late_does_not_stop_the_work_of_the_next_caller(processes: Processes) -> None:
    first = asyncio.create_task(processes.run(os.getpid))
    second = asyncio.create_task(processes.run(compute, 0.3))
    await asyncio.sleep(0)  # the first call gets the worker process, the second call queues
    assert processes.bulkhead.queued == 1
    call = next(iter(processes._busy))  # noqa: SLF001 - the call, to cancel its caller just after the call has ended
    call.add_done_callback(lambda _call: first.cancel())

    assert await second
    assert first.cancelled()


async def test_a_process_that_dies_or_is_killed_fails_no_call_of_the_other_process(two_processes: Processes) -> None:
    """A process that dies fails a single call, unlike in the standard library's `ProcessPoolExecutor`."""
    work = asyncio.create_task(two_processes.run(compute, 0.5))
    stopped = asyncio.create_task(two_processes.run(time.sleep, 60))
    await asyncio.sleep(0.2)
    await cancel(stopped)
    with pytest.raises(Unavailable, match="ended"):
        await two_processes.run(die)

    assert process_exists(await work)


@pytest.mark.parametrize("busy", [False, True])
async def test_the_lifespan_ends_the_worker_processes_and_their_calls(committed_url: str, *, busy: bool) -> None:
    app = create_app(make_settings(committed_url))
    async with app.router.lifespan_context(app):
        processes: Processes = app.state.resources.processes
        process = await processes.run(os.getpid)
        if busy:
            work = asyncio.create_task(processes.run(time.sleep, 60))
            await until(lambda: processes.bulkhead.in_use == 1)

    assert not process_exists(process)
    if busy:
        with pytest.raises(Unavailable, match="ended"):
            await work
    with pytest.raises(Unavailable, match="stopping"):
        await processes.run(os.getpid)


@posix_only
@pytest.mark.parametrize("then", ["input()", "worker.call(1, time.sleep, 60)"], ids=["idle", "busy"])
def test_a_process_does_not_outlive_a_service_that_was_killed(then: str) -> None:
    """After the service is killed, an idle worker process ends by the closed pipe, and a busy process by a watchdog."""
    start = "worker = WorkerProcess(); worker.expect(); print(worker.call(30, os.getpid), flush=True)"
    command = [sys.executable, "-c", f"import os, time; from app.work.process import WorkerProcess; {start}; {then}"]
    service = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert service.stdout is not None
    process = int(service.stdout.readline())
    time.sleep(0.1)  # time for the worker process to begin the call, if a busy process is tested
    service.kill()
    service.communicate()

    end = time.monotonic() + 30
    while process_exists(process):
        assert time.monotonic() < end
        time.sleep(0.01)

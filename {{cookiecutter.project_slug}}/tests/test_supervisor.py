"""Background tasks: bounded, named when they fail, waited for at the end, and told from what was lost."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from app import supervisor as supervisor_module
from app.deadline import Expiry, begin, end, expires_at
from app.errors import Unavailable
from app.observability.request_id import request_id
from app.pool import share
from app.supervisor import Supervisor
from tests.lines import lines_of
from tests.test_gate import gate


@pytest.fixture
def lines() -> Generator[list[Any]]:
    """What the log says."""
    with lines_of(supervisor_module) as found:
        yield found


async def test_what_is_running_is_waited_for(lines: list[Any]) -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0.05)
        done.append(number)

    supervisor = Supervisor(tasks=5, stop_seconds=10)
    for number in range(5):
        supervisor.start(f"work {number}", work(number))
    await supervisor.close()

    assert done == [0, 1, 2, 3, 4]
    assert [line["event"] for line in lines] == ["waiting for background tasks"]


async def test_what_takes_too_long_is_cancelled_and_reported(lines: list[Any]) -> None:
    cancelled: list[bool] = []

    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.append(True)

    supervisor = Supervisor(tasks=5, stop_seconds=0.05)
    supervisor.start("hanging", hang())
    await asyncio.wait_for(supervisor.close(), timeout=5)

    assert cancelled == [True]
    assert ("background task did not finish", "hanging") in [(line["event"], line.get("task")) for line in lines]


async def test_one_that_will_not_end_does_not_hold_the_process(lines: list[Any]) -> None:
    ended = asyncio.Event()

    async def ignore() -> None:
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                continue

    supervisor = Supervisor(tasks=5, stop_seconds=0.05)
    supervisor.start("deaf", ignore())
    await asyncio.wait_for(supervisor.close(), timeout=5)
    ended.set()

    assert lines[-1]["event"] == "background task did not finish"


async def test_the_time_runs_from_the_signal_and_not_from_the_end_of_the_requests(lines: list[Any]) -> None:
    supervisor = Supervisor(tasks=5, stop_seconds=0.2)
    supervisor.start("hanging", asyncio.sleep(60))
    supervisor.drain()
    await asyncio.sleep(0.2)
    await asyncio.wait_for(supervisor.close(), timeout=5)

    assert [line.get("seconds") for line in lines] == [0.0, None]


async def test_a_hurry_shortens_the_wait_that_is_under_way(lines: list[Any]) -> None:
    supervisor = Supervisor(tasks=5, stop_seconds=60)
    supervisor.start("hanging", asyncio.sleep(60))
    closing = asyncio.create_task(supervisor.close())
    await asyncio.sleep(0.05)
    supervisor.drain(seconds=0.1)
    await asyncio.wait_for(closing, timeout=5)

    assert lines[-1]["event"] == "background task did not finish"


async def test_a_failure_is_a_line_with_its_name_and_nobody_elses(lines: list[Any]) -> None:
    async def fail() -> None:
        raise RuntimeError("broken")

    supervisor = Supervisor(tasks=5, stop_seconds=10)
    supervisor.start("failing", fail())
    await supervisor.close()

    (line,) = [line for line in lines if line["event"] == "background task failed"]
    assert (line["task"], str(line["exc_info"])) == ("failing", "broken")


@pytest.mark.parametrize("closed", [False, True])
async def test_one_more_than_there_may_be_is_refused(lines: list[Any], *, closed: bool) -> None:
    supervisor = Supervisor(tasks=1, stop_seconds=0)
    supervisor.start("first", asyncio.sleep(60))
    if closed:
        await supervisor.close()

    with pytest.raises(Unavailable, match="background"):
        supervisor.start("second", asyncio.sleep(60))  # its coroutine is closed, or a warning would fail the test
    await supervisor.close()
    assert [line.get("task") for line in lines][1:] == ["first"]


async def test_the_request_id_goes_along_and_what_is_bound_to_the_request_does_not() -> None:
    seen: list[Any] = []

    async def look() -> None:
        seen.extend((request_id.get(), expires_at(), share.get()))

    supervisor = Supervisor(tasks=1, stop_seconds=10)
    tokens = request_id.set("caller-0001"), share.set(gate())
    deadline = begin(Expiry(asyncio.get_running_loop().time() + 1))
    supervisor.start("looking", look())
    end(deadline)
    request_id.reset(tokens[0])
    share.reset(tokens[1])
    await supervisor.close()

    assert seen == ["caller-0001", None, None]

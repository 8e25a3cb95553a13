"""Background tasks are bounded in number, a failed task is logged by name, and a shutdown waits for tasks."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from app.errors import Unavailable
from app.request.deadline import Expiry, begin, end, expires_at
from app.request.identity import request_id
from app.request.open_transaction import open_transaction
from app.request.slot import BACKGROUND, connection_quota
from app.work import background
from app.work.background import Supervisor
from tests.captured_log import captured_log
from tests.tasks import until


@pytest.fixture
def lines() -> Generator[list[Any]]:
    """The log lines of the background task supervisor during the test."""
    with captured_log(background) as found:
        yield found


async def test_running_tasks_are_awaited_at_the_end(lines: list[Any]) -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0.05)
        done.append(number)

    supervisor = Supervisor(tasks=5, stop_seconds=30)
    for number in range(5):
        supervisor.start(f"work {number}", work(number))
    await supervisor.close()

    assert done == [0, 1, 2, 3, 4]
    assert [line["event"] for line in lines] == ["shutdown waits for background tasks"]


async def test_a_task_that_takes_too_long_is_cancelled_and_reported(lines: list[Any]) -> None:
    cancelled: list[bool] = []

    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.append(True)

    supervisor = Supervisor(tasks=5, stop_seconds=0.05)
    supervisor.start("hanging", hang())
    await asyncio.wait_for(supervisor.close(), timeout=30)

    assert cancelled == [True]
    assert ("background task cancelled at shutdown", "hanging") in [(line["event"], line.get("task")) for line in lines]


async def test_a_task_that_ignores_its_cancellation_does_not_keep_the_process_alive(lines: list[Any]) -> None:
    ended = asyncio.Event()

    async def ignore() -> None:
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                continue

    supervisor = Supervisor(tasks=5, stop_seconds=0.05)
    supervisor.start("ignoring", ignore())
    await asyncio.wait_for(supervisor.close(), timeout=30)
    ended.set()

    assert lines[-1]["event"] == "background task cancelled at shutdown"


async def test_the_time_to_stop_runs_from_the_signal_and_not_from_the_end_of_the_requests(lines: list[Any]) -> None:
    supervisor = Supervisor(tasks=5, stop_seconds=0.2)
    supervisor.start("hanging", asyncio.sleep(60))
    supervisor.drain()
    await asyncio.sleep(0.2)
    await asyncio.wait_for(supervisor.close(), timeout=30)

    assert [line.get("seconds") for line in lines] == [0.0, None]


async def test_a_shorter_drain_shortens_the_wait_that_is_under_way(lines: list[Any]) -> None:
    supervisor = Supervisor(tasks=5, stop_seconds=60)
    supervisor.start("hanging", asyncio.sleep(60))
    closing = asyncio.create_task(supervisor.close())
    await asyncio.sleep(0.05)
    supervisor.drain(seconds=0.1)
    await asyncio.wait_for(closing, timeout=30)

    assert lines[-1]["event"] == "background task cancelled at shutdown"


async def test_a_failed_task_is_a_record_with_the_name_of_the_task(caplog: pytest.LogCaptureFixture) -> None:
    """A background task's failure is a record of Python's `logging`, where error trackers look for exceptions."""

    async def fail() -> None:
        raise RuntimeError("broken")

    supervisor = Supervisor(tasks=5, stop_seconds=10)
    supervisor.start("failing", fail())
    await supervisor.close()

    (record,) = [record for record in caplog.records if record.name == "supervisor"]
    assert (record.getMessage(), vars(record)["task"]) == ("background task failed", "failing")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "broken"


@pytest.mark.parametrize("closed", [False, True])
async def test_a_task_beyond_the_limit_or_after_the_end_is_refused(lines: list[Any], *, closed: bool) -> None:
    supervisor = Supervisor(tasks=1, stop_seconds=0)
    supervisor.start("first", asyncio.sleep(60))
    if closed:
        await supervisor.close()

    with pytest.raises(Unavailable, match="background"):
        # the refusal closes the coroutine: a warning that it was never awaited would fail the test
        supervisor.start("second", asyncio.sleep(60))
    await supervisor.close()
    assert [line.get("task") for line in lines][1:] == ["first"]


async def test_a_task_has_the_request_id_but_neither_deadline_nor_quota_nor_transaction_of_its_request() -> None:
    seen: list[Any] = []

    async def look() -> None:
        seen.extend((request_id.get(), expires_at(), connection_quota.get(), open_transaction.get()))

    supervisor = Supervisor(tasks=1, stop_seconds=10)
    tokens = request_id.set("caller-0001"), connection_quota.set("others")
    transaction = Transaction()
    transaction.outcome.set_result(True)
    token = open_transaction.set(transaction)
    deadline = begin(Expiry(asyncio.get_running_loop().time() + 1))
    supervisor.start("looking", look())
    end(deadline)
    request_id.reset(tokens[0])
    connection_quota.reset(tokens[1])
    open_transaction.reset(token)
    await supervisor.close()

    assert seen == ["caller-0001", None, BACKGROUND, None]


class Transaction:
    """A fake of an open transaction, whose outcome the test decides."""

    def __init__(self) -> None:
        self.outcome = asyncio.get_running_loop().create_future()

    def committed(self) -> asyncio.Future[bool]:
        """Return a future that the test completes with the outcome."""
        return self.outcome


@pytest.mark.parametrize("committed", [True, False])
async def test_a_task_waits_for_the_outcome_of_the_open_transaction(*, committed: bool) -> None:
    ran: list[str] = []

    async def work() -> None:
        ran.append("outer")
        supervisor.start("inner", inner())  # starts at once: the outer task has no transaction

    async def inner() -> None:
        ran.append("inner")

    supervisor = Supervisor(tasks=2, stop_seconds=30)
    transaction = Transaction()
    token = open_transaction.set(transaction)
    supervisor.start("waiting", work())
    open_transaction.reset(token)
    await asyncio.sleep(0.01)
    before = list(ran)
    transaction.outcome.set_result(committed)
    await until(lambda: not supervisor.running)
    await supervisor.close()

    assert (before, ran) == ([], ["outer", "inner"] if committed else [])


async def test_a_waiting_task_counts_towards_the_limit_and_is_cancelled_at_the_end(lines: list[Any]) -> None:
    supervisor = Supervisor(tasks=1, stop_seconds=0)
    token = open_transaction.set(Transaction())
    supervisor.start("waiting", asyncio.sleep(0))
    with pytest.raises(Unavailable, match="background"):
        supervisor.start("second", asyncio.sleep(0))
    open_transaction.reset(token)
    await asyncio.sleep(0)
    await asyncio.wait_for(supervisor.close(), timeout=30)

    assert [line.get("task") for line in lines][1:] == ["waiting"]

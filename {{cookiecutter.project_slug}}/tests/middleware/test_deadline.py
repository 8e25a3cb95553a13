"""Every request is answered in time, whatever its work is waiting for."""

import asyncio
from contextlib import suppress

import pytest
from starlette.types import Send

from app.deadline import seconds_left
from app.families import Family
from app.middleware.deadline import asked_seconds
from tests.middleware.works import LIMIT, Server, answer, never


async def test_work_that_ends_in_time_is_answered_as_it_is() -> None:
    server = Server(answer)

    assert await server.ask() == [200]


async def test_work_that_does_not_end_is_a_504_and_is_cancelled() -> None:
    server = Server(never)
    asking = asyncio.create_task(server.ask())

    await asyncio.wait_for(server.answered.wait(), 2)
    await asyncio.wait_for(server.ended.wait(), 2)
    assert await asking == [504]
    assert asking.cancelling() == 0


async def test_the_answer_does_not_wait_for_a_clean_up_that_hangs() -> None:
    thaw = asyncio.Event()

    async def hang(_send: Send) -> None:
        try:
            await never(_send)
        finally:
            await thaw.wait()

    server = Server(hang)
    asking = asyncio.create_task(server.ask())

    async with asyncio.timeout(5):
        await server.answered.wait()
    assert not server.ended.is_set()
    thaw.set()
    assert await asking == [504]


async def test_a_server_that_stops_ends_a_clean_up_that_hangs() -> None:
    async def hang(send: Send) -> None:
        try:
            await never(send)
        finally:
            await never(send)

    server = Server(hang)
    asking = asyncio.create_task(server.ask())
    await asyncio.wait_for(server.answered.wait(), 5)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert server.ended.is_set()


async def test_a_task_that_somebody_cancelled_before_is_answered_too() -> None:
    async def ask() -> list[int]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return await Server(never).ask()

    assert await asyncio.create_task(ask()) == [504]


async def test_what_abandoned_work_still_sends_does_not_mix_with_the_answer() -> None:
    async def late(send: Send) -> None:
        try:
            await never(send)
        finally:
            await answer(send)

    server = Server(late)

    await server.ask()
    await asyncio.wait_for(server.ended.wait(), 5)
    assert [message.get("status") for message in server.sent] == [504, None]


async def test_an_answer_that_stops_half_way_is_cut_and_not_followed_by_another() -> None:
    async def half(send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await never(send)

    server = Server(half)

    assert await server.ask() == [200]
    await asyncio.wait_for(server.ended.wait(), 5)


async def test_background_tasks_have_no_deadline() -> None:
    left = 0.0

    async def answer_then_work(send: Send) -> None:
        nonlocal left
        await answer(send)
        await asyncio.sleep(3 * LIMIT)
        left = seconds_left(7)

    server = Server(answer_then_work)

    assert await server.ask() == [200]
    assert left == 7


async def test_a_family_without_a_deadline_may_take_its_time() -> None:
    async def slow(send: Send) -> None:
        await asyncio.sleep(3 * LIMIT)
        await answer(send)

    server = Server(slow, family=Family(deadline_seconds=0))

    assert await server.ask() == [200]
    assert server.left == 1000.0


@pytest.mark.parametrize(
    ("headers", "most"),
    [
        ({"x_request_timeout_ms": "20"}, 0.02),
        ({"grpc_timeout": "20m"}, 0.02),
        ({"x_request_timeout_ms": "90", "grpc_timeout": "20m"}, 0.02),
        ({"x_request_timeout_ms": "3600000"}, LIMIT),
        ({"grpc_timeout": "1H"}, LIMIT),
    ],
)
async def test_a_caller_may_shorten_the_time_and_not_lengthen_it(headers: dict[str, str], most: float) -> None:
    server = Server(answer)

    await server.ask(**headers)

    assert server.left is not None
    assert most - 0.02 < server.left <= most


@pytest.mark.parametrize("value", ["", "-1", "1.5", "ten", "1e3", "9" * 30, "\u0665"])
def test_a_timeout_that_nobody_can_read_counts_as_none(value: str) -> None:
    headers = [(b"x-request-timeout-ms", value.encode()), (b"grpc-timeout", value.encode())]

    assert asked_seconds({"type": "http", "headers": headers}) is None


async def test_a_server_that_stops_takes_the_work_with_it() -> None:
    server = Server(never, family=Family(deadline_seconds=60))
    asking = asyncio.create_task(server.ask())
    await asyncio.sleep(0.01)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(server.ended.wait(), 5)


async def test_an_error_of_the_work_is_not_swallowed() -> None:
    async def fail(_send: Send) -> None:
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        await Server(fail).ask()
    await asyncio.sleep(2 * LIMIT)  # nothing is left that could strike whoever comes next

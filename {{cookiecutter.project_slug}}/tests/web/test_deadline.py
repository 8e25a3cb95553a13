"""The deadline middleware answers each request in time, even if the handler or its clean-up hangs."""

import asyncio
from contextlib import suppress

import pytest
from starlette.types import Send

from app.request.deadline import seconds_left
from app.settings.route_groups import RouteGroup
from app.web.deadline import asked_seconds
from tests.web.deadline_app import LIMIT, Server, answer, never


async def test_a_response_before_the_deadline_is_passed_on() -> None:
    server = Server(answer)

    assert await server.request() == [200]


async def test_a_handler_that_hangs_is_answered_504_and_cancelled() -> None:
    server = Server(never)
    request = asyncio.create_task(server.request())

    await asyncio.wait_for(server.answered.wait(), 5)
    await asyncio.wait_for(server.ended.wait(), 5)
    assert await request == [504]
    assert request.cancelling() == 0


async def test_the_504_does_not_wait_for_a_clean_up_that_hangs() -> None:
    thaw = asyncio.Event()

    async def hang(_send: Send) -> None:
        try:
            await never(_send)
        finally:
            await thaw.wait()

    server = Server(hang)
    request = asyncio.create_task(server.request())

    async with asyncio.timeout(5):
        await server.answered.wait()
    assert not server.ended.is_set()
    thaw.set()
    assert await request == [504]


async def test_cancelling_the_request_ends_a_clean_up_that_hangs() -> None:
    async def hang(send: Send) -> None:
        try:
            await never(send)
        finally:
            await never(send)

    server = Server(hang)
    request = asyncio.create_task(server.request())
    await asyncio.wait_for(server.answered.wait(), 5)

    request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await request
    assert server.ended.is_set()


async def test_a_request_in_a_task_that_was_cancelled_before_is_answered_too() -> None:
    async def request_after_a_cancellation() -> list[int]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return await Server(never).request()

    assert await asyncio.create_task(request_after_a_cancellation()) == [504]


async def test_messages_of_a_handler_after_the_504_are_dropped() -> None:
    async def late(send: Send) -> None:
        try:
            await never(send)
        finally:
            await answer(send)

    server = Server(late)

    await server.request()
    await asyncio.wait_for(server.ended.wait(), 5)
    assert [message.get("status") for message in server.sent] == [504, None]


async def test_a_response_that_stops_half_way_is_cut_off_without_a_504() -> None:
    async def half(send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await never(send)

    server = Server(half)

    assert await server.request() == [200]
    await asyncio.wait_for(server.ended.wait(), 5)


async def test_background_tasks_have_no_deadline() -> None:
    left = 0.0

    async def answer_then_work(send: Send) -> None:
        nonlocal left
        await answer(send)
        await asyncio.sleep(3 * LIMIT)
        left = seconds_left(7)

    server = Server(answer_then_work)

    assert await server.request() == [200]
    assert left == 7


async def test_a_route_group_without_a_deadline_is_never_cut_off() -> None:
    async def slow(send: Send) -> None:
        await asyncio.sleep(3 * LIMIT)
        await answer(send)

    server = Server(slow, route_group=RouteGroup(deadline_seconds=0))

    assert await server.request() == [200]
    assert server.left == 1000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_request_timeout_ms": "20000"}, 20),
        ({"grpc_timeout": "20000m"}, 20),
        ({"x_request_timeout_ms": "90000", "grpc_timeout": "20S"}, 20),
        ({"x_request_timeout_ms": "3600000"}, 100),
        ({"grpc_timeout": "1H"}, 100),
    ],
)
async def test_a_caller_may_shorten_the_deadline_and_not_extend_it(headers: dict[str, str], seconds: float) -> None:
    server = Server(answer, route_group=RouteGroup(deadline_seconds=100))

    await server.request(**headers)

    assert server.left is not None
    assert seconds - 10 < server.left <= seconds


@pytest.mark.parametrize("value", ["", "-1", "1.5", "ten", "1e3", "9" * 30, "\u0665"])
def test_a_malformed_timeout_header_counts_as_none(value: str) -> None:
    headers = [(b"x-request-timeout-ms", value.encode()), (b"grpc-timeout", value.encode())]

    assert asked_seconds({"type": "http", "headers": headers}) is None


async def test_cancelling_the_request_cancels_the_handler() -> None:
    server = Server(never, route_group=RouteGroup(deadline_seconds=60))
    request = asyncio.create_task(server.request())
    await asyncio.sleep(0.01)

    request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.wait_for(server.ended.wait(), 5)


async def test_an_error_of_the_handler_is_raised_and_ends_the_timer() -> None:
    async def fail(_send: Send) -> None:
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        await Server(fail).request()
    await asyncio.sleep(2 * LIMIT)  # if the deadline's timer still ran, it would cancel this task

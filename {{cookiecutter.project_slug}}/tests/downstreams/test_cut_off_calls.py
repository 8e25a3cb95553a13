"""A downstream call that is cut off counts as a failure only if the call ran for more than half of the timeout."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from app.downstreams.breaker import State
from app.downstreams.client import httpx
from app.downstreams.downstream import Downstream
from app.errors import DownstreamError
from app.request.deadline import Expiry, begin
from tests.downstreams.scripted_downstream import build_downstream


async def hang(_request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(3600)
    raise AssertionError


async def cut_off_by_the_deadline(downstream: Downstream, seconds: float) -> None:
    begin(Expiry(asyncio.get_running_loop().time() + seconds))
    with pytest.raises(DownstreamError):
        await downstream.get_json("things")


async def cut_off_by_the_caller(downstream: Downstream, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await downstream.get_json("things")


@pytest.mark.parametrize("cut_off", [cut_off_by_the_deadline, cut_off_by_the_caller])
@pytest.mark.parametrize(("seconds", "total", "state"), [(3.6, 4.0, State.OPEN), (0.2, 3600.0, State.CLOSED)])
async def test_calls_that_are_cut_off_count_as_failures_when_the_downstream_had_most_of_the_time(
    cut_off: Callable[[Downstream, float], Coroutine[None, None, None]], seconds: float, total: float, state: State
) -> None:
    """Calls cut off after 90 % of their timeout open the circuit breaker; calls cut off early leave it closed."""
    limits: dict[str, Any] = {"max_concurrent": 20, "timeout_seconds": total, "read_timeout_seconds": total}
    downstream = build_downstream(hang, breaker_open_seconds=3600, **limits)
    await asyncio.gather(*(asyncio.create_task(cut_off(downstream, seconds)) for _ in range(20)))

    assert (downstream.breaker.state, downstream.bulkhead.in_use) == (state, 0)


async def test_a_queued_call_that_is_cut_off_says_nothing_about_the_downstream() -> None:
    limits: dict[str, Any] = {"timeout_seconds": 0.5, "queue_timeout_seconds": 3600, "breaker_min_calls": 1}
    downstream = build_downstream(hang, max_concurrent=1, **limits)
    await downstream.bulkhead.enter()
    await cut_off_by_the_caller(downstream, 0.4)

    assert downstream.breaker.state is State.CLOSED

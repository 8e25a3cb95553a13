"""The gate: its bounds, its order, and that no place is ever lost."""

import asyncio

import pytest

from app.errors import Unavailable
from app.gate import Gate


def gate(places: int = 1, max_waiting: int = 100, max_wait_seconds: float = 5) -> Gate:
    return Gate(places=places, max_waiting=max_waiting, max_wait_seconds=max_wait_seconds, refusal="Full.")


async def test_who_came_first_is_served_first_and_newcomers_do_not_overtake() -> None:
    one, served = gate(), list[int]()

    async def visit(number: int) -> None:
        await one.enter()
        served.append(number)
        await asyncio.sleep(0)
        one.leave()
        if number < 10:  # comes back at once, as the next request of a busy client does
            await visit(number + 10)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(visit(number))

    assert served == list(range(20))


async def test_a_full_queue_refuses_at_once() -> None:
    one = gate(max_waiting=1, max_wait_seconds=60)
    await one.enter()
    waiting = asyncio.create_task(one.enter())
    await asyncio.sleep(0)

    with pytest.raises(Unavailable, match="Full"):
        await asyncio.wait_for(one.enter(), timeout=5)

    one.leave()
    await waiting


async def test_a_wait_that_is_too_long_is_refused() -> None:
    one = gate(max_wait_seconds=0.01)
    await one.enter()

    with pytest.raises(Unavailable, match="Full"):
        await asyncio.wait_for(one.enter(), timeout=5)

    assert (one.in_use, one.waiting) == (1, 0)


async def test_a_caller_may_allow_less_time() -> None:
    one = gate(max_wait_seconds=60)
    await one.enter()

    with pytest.raises(Unavailable, match="Full"):
        await asyncio.wait_for(one.enter(within=0.01), timeout=5)


async def test_what_was_learnt_in_a_burst_is_forgotten_when_nothing_goes_on() -> None:
    one = gate(max_wait_seconds=0.2)
    await one.enter()
    slow = asyncio.create_task(one.enter())
    await asyncio.sleep(0.15)
    one.leave()
    await slow
    one.leave()

    await one.enter()
    quick = [asyncio.create_task(one.enter()) for _ in range(20)]
    await asyncio.sleep(0)
    for visitor in quick:
        one.leave()
        await visitor


async def test_who_would_wait_in_vain_is_refused_at_once_and_only_as_long_as_that_holds() -> None:
    one = gate(max_wait_seconds=0.2)
    await one.enter()
    await asyncio.sleep(0.25)  # stuck for longer than anybody waits

    with pytest.raises(Unavailable, match="Full"):
        await asyncio.wait_for(one.enter(), timeout=0.1)

    one.leave()
    await one.enter()
    waiting = asyncio.create_task(one.enter())
    await asyncio.sleep(0)
    one.leave()
    await waiting


async def test_no_place_is_lost_when_those_who_wait_are_cancelled() -> None:
    one = gate(places=2)
    for _ in range(50):
        visitors = [asyncio.create_task(one.enter()) for _ in range(6)]
        await asyncio.sleep(0)
        for visitor in visitors[::2]:
            visitor.cancel()
        entered = 0
        for visitor in visitors:
            done, _pending = await asyncio.wait({visitor}, timeout=1)
            if done and not visitor.cancelled():
                entered += 1
                one.leave()
        assert entered >= 2

    assert (one.in_use, one.waiting) == (0, 0)


async def test_a_place_that_comes_to_somebody_who_is_just_leaving_goes_on_to_the_next() -> None:
    one = gate()
    await one.enter()
    leaving, next_one = asyncio.create_task(one.enter()), asyncio.create_task(one.enter())
    await asyncio.sleep(0)

    one.leave()
    leaving.cancel()

    await asyncio.wait_for(next_one, 5)
    one.leave()
    assert (one.in_use, one.waiting, leaving.cancelled()) == (0, 0, True)

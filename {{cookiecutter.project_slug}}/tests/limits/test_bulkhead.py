"""The bulkhead admits callers in order of arrival, refuses callers beyond its bounds, and never loses a slot."""

import asyncio

import pytest

from app.errors import Unavailable
from app.limits.bulkhead import Bulkhead


def make_bulkhead(max_concurrent: int = 1, max_queue: int = 100, queue_timeout_seconds: float = 5) -> Bulkhead:
    return Bulkhead(
        max_concurrent=max_concurrent, max_queue=max_queue, queue_timeout_seconds=queue_timeout_seconds, refusal="Full."
    )


def refuses_at_once(bulkhead: Bulkhead) -> bool:
    """Tell whether the bulkhead refuses a new caller at once: `enter` raises Unavailable before the first await."""
    entering = bulkhead.enter()
    try:
        entering.send(None)
    except Unavailable:
        return True
    entering.close()
    return False


async def test_callers_enter_in_the_order_of_their_arrival_and_newcomers_do_not_overtake() -> None:
    bulkhead, served = make_bulkhead(queue_timeout_seconds=60), list[int]()

    async def visit(number: int) -> None:
        await bulkhead.enter()
        served.append(number)
        await asyncio.sleep(0)
        bulkhead.leave()
        if number < 10:  # the caller enters again at once, like a client that sends its next request
            await visit(number + 10)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(visit(number))

    assert served == list(range(20))


async def test_a_full_queue_refuses_at_once() -> None:
    bulkhead = make_bulkhead(max_queue=1, queue_timeout_seconds=60)
    await bulkhead.enter()
    queued = asyncio.create_task(bulkhead.enter())
    await asyncio.sleep(0)

    assert refuses_at_once(bulkhead)
    bulkhead.leave()
    await queued


async def test_a_wait_ends_with_the_queue_timeout() -> None:
    bulkhead = make_bulkhead(queue_timeout_seconds=0.01)
    await bulkhead.enter()

    with pytest.raises(Unavailable, match="Full"):
        await asyncio.wait_for(bulkhead.enter(), timeout=5)

    assert (bulkhead.in_use, bulkhead.queued) == (1, 0)


async def test_a_caller_may_wait_for_less_than_the_queue_timeout() -> None:
    bulkhead = make_bulkhead(queue_timeout_seconds=60)
    await bulkhead.enter()

    with pytest.raises(Unavailable, match="Full"):
        await asyncio.wait_for(bulkhead.enter(within=0.01), timeout=5)


async def test_the_average_interval_of_a_burst_is_forgotten_when_the_bulkhead_is_empty() -> None:
    """An empty bulkhead forgets the average time between entries during an earlier burst.

    With the average of 65 ms, the last of 20 queued callers would be expected to exceed the queue timeout of 1 s, and
    be refused at once.
    """
    bulkhead = make_bulkhead(queue_timeout_seconds=1.0)
    await bulkhead.enter()
    for _ in range(10):
        queued = asyncio.create_task(bulkhead.enter())
        await asyncio.sleep(0.1)
        bulkhead.leave()
        await queued
    bulkhead.leave()

    await bulkhead.enter()
    queue = [asyncio.create_task(bulkhead.enter()) for _ in range(20)]
    await asyncio.sleep(0)
    for caller in queue:
        bulkhead.leave()
        await caller


async def test_a_caller_behind_a_stuck_queue_is_refused_at_once_until_the_queue_moves() -> None:
    bulkhead = make_bulkhead(queue_timeout_seconds=0.2)
    await bulkhead.enter()
    await asyncio.sleep(0.25)  # no caller has left the bulkhead for longer than the queue timeout

    assert refuses_at_once(bulkhead)
    bulkhead.leave()
    await bulkhead.enter()
    assert not refuses_at_once(bulkhead)


async def test_no_slot_is_lost_when_queued_callers_are_cancelled() -> None:
    bulkhead = make_bulkhead(max_concurrent=2)
    for _ in range(50):
        callers = [asyncio.create_task(bulkhead.enter()) for _ in range(6)]
        await asyncio.sleep(0)
        for caller in callers[::2]:
            caller.cancel()
        entered = 0
        for caller in callers:
            done, _pending = await asyncio.wait({caller}, timeout=1)
            if done and not caller.cancelled():
                entered += 1
                bulkhead.leave()
        assert entered >= 2

    assert (bulkhead.in_use, bulkhead.queued) == (0, 0)


async def test_a_slot_that_reaches_a_caller_in_the_moment_of_its_cancellation_goes_to_the_next_caller() -> None:
    bulkhead = make_bulkhead()
    await bulkhead.enter()
    leaving, following = asyncio.create_task(bulkhead.enter()), asyncio.create_task(bulkhead.enter())
    await asyncio.sleep(0)

    bulkhead.leave()
    leaving.cancel()

    await asyncio.wait_for(following, 30)
    bulkhead.leave()
    assert (bulkhead.in_use, bulkhead.queued, leaving.cancelled()) == (0, 0, True)

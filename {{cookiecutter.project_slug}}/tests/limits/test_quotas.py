"""Quotas guarantee connections to each route group, lend the rest in order of arrival, and never lose a slot."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.capacity.plan import make_plan
from app.limits.quotas import Quotas
from app.settings.capacity import CapacitySettings
from tests.limits.test_bulkhead import refuses_at_once
from tests.limits.waiting import count_waiting

NAMES = ("left", "right", "third")
ALL = (*NAMES, "background")


def make_quotas(connections: int = 10, *, queue_timeout_seconds: float = 60) -> Quotas:
    """Return the quotas of a pool with three route groups and background work, sized as in the capacity plan."""
    plan = make_plan(
        CapacitySettings(web_concurrency=1, database_pool_limit=connections),
        cpus=1,
        open_files=1024,
        route_groups=dict.fromkeys(NAMES),
        downstreams={},
    )
    return Quotas(
        NAMES,
        max_concurrent=connections,
        max_queue=100,
        queue_timeout_seconds=queue_timeout_seconds,
        quota=plan.connection_quota,
        reserved=plan.reserved_for_quotas,
    )


def exhaust(quotas: Quotas, name: str) -> int:
    """Take connections of a quota until none is left, and return the number of taken connections."""
    quota = quotas.by_name[name]
    return sum(quota.try_enter() for _ in range(quotas.max_concurrent))


def test_a_stuck_quota_leaves_more_than_the_minimum_to_a_busy_quota() -> None:
    quotas = make_quotas()

    assert [exhaust(quotas, "left"), exhaust(quotas, "third")] == [5, 3]


@pytest.mark.parametrize("stuck", [("left", "right"), ("background", "left"), ("left", "background")])
def test_two_stuck_quotas_leave_every_other_quota_its_minimum(stuck: tuple[str, str]) -> None:
    quotas = make_quotas()
    taken = [exhaust(quotas, name) for name in stuck]
    left = [quotas.by_name[name].try_enter() for name in ALL if name not in stuck]

    assert (taken, left) == ([5, 3], [True, True])


@pytest.mark.parametrize("connections", range(3, 31))
def test_two_stuck_quotas_leave_a_connection_to_a_third_from_three_connections_on(connections: int) -> None:
    quotas = make_quotas(connections)
    taken = exhaust(quotas, "left") + exhaust(quotas, "right")

    assert taken < connections
    assert quotas.by_name["third"].try_enter()


@pytest.mark.parametrize("connections", [1, 2])
async def test_a_pool_that_cannot_be_divided_serves_every_quota_in_turn(connections: int) -> None:
    quotas, served = make_quotas(connections), list[str]()

    async def visit(name: str) -> None:
        await quotas.by_name[name].enter()
        served.append(name)
        await asyncio.sleep(0)
        quotas.by_name[name].leave()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for name in ALL * 5:
            group.create_task(visit(name))

    assert Counter(served) == dict.fromkeys(ALL, 5)
    assert (quotas.in_use, count_waiting(quotas)) == (0, 0)


async def test_callers_of_several_quotas_enter_in_the_order_of_their_arrival() -> None:
    quotas, served = make_quotas(), list[int]()
    assert sum(exhaust(quotas, name) for name in ALL) == 10

    async def visit(number: int) -> None:
        quota = quotas.by_name[ALL[number % 4]]
        await quota.enter()
        served.append(number)
        quota.leave()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(visit(number))
        await asyncio.sleep(0)
        assert (count_waiting(quotas), quotas.in_use) == (40, 10)
        quotas.by_name["left"].leave()

    assert served == list(range(40))


async def test_a_caller_of_an_unused_quota_waits_and_is_not_refused_at_once() -> None:
    """A quota that was unused for a while does not count as stuck: a caller waits, and is not refused at once."""
    quotas = make_quotas(1, queue_timeout_seconds=0.2)
    assert quotas.by_name["left"].try_enter()
    quotas.by_name["left"].leave()
    await asyncio.sleep(0.3)
    assert quotas.by_name["third"].try_enter()

    assert not refuses_at_once(quotas.by_name["left"])


@settings(deadline=None, max_examples=200)
@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.sampled_from(ALL), st.sampled_from(["enter", "leave", "cancel"])), max_size=80),
)
def test_no_slot_is_lost_and_no_caller_waits_while_its_quota_has_room(
    connections: int, steps: list[tuple[str, str]]
) -> None:
    asyncio.run(_walk(make_quotas(connections), steps))


async def _walk(quotas: Quotas, steps: list[tuple[str, str]]) -> None:
    """Let callers enter, leave or be cancelled in the given steps, and check the quotas' guarantees after each step."""
    callers: dict[str, list[asyncio.Task[None]]] = {name: [] for name in ALL}
    for name, step in steps:
        quota = quotas.by_name[name]
        inside = [caller for caller in callers[name] if caller.done() and not caller.cancelled()]
        if step == "enter":
            callers[name].append(asyncio.create_task(quota.enter()))
        elif step == "cancel" and callers[name]:
            callers[name][-1].cancel()
        elif step == "leave" and inside:
            callers[name].remove(inside[0])
            quota.leave()
        for _ in range(3):
            await asyncio.sleep(0)
        counts = {name: sum(one.done() and not one.cancelled() for one in tasks) for name, tasks in callers.items()}
        assert counts == {name: quota.in_use for name, quota in quotas.by_name.items()}
        assert quotas.in_use == sum(counts.values()) <= quotas.max_concurrent
        assert not [name for name, quota in quotas.by_name.items() if quota.queued and quota.has_room()]
    for tasks in callers.values():
        for task in tasks:
            task.cancel()
    await asyncio.sleep(0)

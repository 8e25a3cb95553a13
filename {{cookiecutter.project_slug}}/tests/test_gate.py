"""The gate: its bounds, its order, and that no place is ever lost."""

import asyncio
from datetime import timedelta

import pytest

from app.database import PoolBounds, build_engine
from app.errors import Unavailable
from app.gate import Gate
from app.lifespan import limits_of
from app.pool import FairPool, share
from tests.databases import make_settings


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


async def test_the_pool_never_uses_the_queue_of_sqlalchemy(committed_url: str) -> None:
    """Forty callers on two connections: all are served in their order, and no more than two are ever inside."""
    settings = make_settings(committed_url)
    url = settings.database_url.get_secret_value()
    bounds = PoolBounds(size=2, waiting=40)
    engine = build_engine(url, pool=bounds, limits=limits_of(settings), application_name="test")
    pool = engine.pool
    assert isinstance(pool, FairPool)
    order: list[int] = []

    async def use(number: int) -> None:
        async with engine.connect():
            assert pool.checkedout() <= pool.gate.in_use <= 2  # a place that was handed over counts as used
            order.append(number)
            await asyncio.sleep(0.001)

    async with engine.connect(), engine.connect():  # opened now, so that below nobody waits for a handshake
        pass
    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(use(number))

    assert order == list(range(40))
    assert (pool.gate.in_use, pool.gate.waiting) == (0, 0)
    await engine.dispose()


async def test_a_connection_that_cannot_be_opened_costs_no_place() -> None:
    settings = make_settings("postgresql://nobody:nothing@127.0.0.1:1/none")
    url = settings.database_url.get_secret_value()
    engine = build_engine(url, pool=PoolBounds(size=1), limits=limits_of(settings), application_name="test")
    for _ in range(3):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await engine.connect()

    pool = engine.pool
    assert isinstance(pool, FairPool)
    assert (pool.gate.in_use, pool.gate.waiting) == (0, 0)


async def test_a_family_holds_no_more_connections_than_its_share(committed_url: str) -> None:
    settings = make_settings(committed_url)
    url = settings.database_url.get_secret_value()
    bounds = PoolBounds(size=3, waiting=40)
    engine = build_engine(url, pool=bounds, limits=limits_of(settings), application_name="test")
    own, ended = gate(places=2), asyncio.Event()

    async def hold() -> None:
        share.set(own)
        async with engine.connect():
            await ended.wait()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(hold())
        while own.waiting < 4:  # noqa: ASYNC110 - a gate sets no event
            await asyncio.sleep(0.001)
        async with engine.connect():  # of nobody's share: the third connection is free
            assert own.in_use == 2
        ended.set()

    assert (own.in_use, own.waiting) == (0, 0)
    await engine.dispose()


async def test_the_waits_for_the_share_and_for_the_pool_are_one(committed_url: str) -> None:
    settings = make_settings(committed_url)
    url = settings.database_url.get_secret_value()
    bounds = PoolBounds(size=1, waiting=40, wait=timedelta(seconds=0.1))
    engine = build_engine(url, pool=bounds, limits=limits_of(settings), application_name="test")
    own = gate(max_wait_seconds=60)
    await own.enter()
    token = share.set(own)
    with pytest.raises(Unavailable, match="Full"):
        await asyncio.wait_for(engine.connect(), timeout=5)
    share.reset(token)

    assert engine.pool.gate.in_use == 0  # type: ignore[attr-defined]
    await engine.dispose()


async def test_a_connection_that_cannot_be_opened_costs_no_place_of_the_share() -> None:
    settings = make_settings("postgresql://nobody:nothing@127.0.0.1:1/none")
    url = settings.database_url.get_secret_value()
    engine = build_engine(url, pool=PoolBounds(size=1), limits=limits_of(settings), application_name="test")
    own = gate()
    token = share.set(own)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await engine.connect()
    share.reset(token)

    assert own.in_use == 0

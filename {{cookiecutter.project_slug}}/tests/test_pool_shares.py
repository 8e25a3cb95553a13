"""The gates before the pool: SQLAlchemy's own queue is never used, each family has its share, no place is lost."""

import asyncio
from datetime import timedelta

import pytest

from app.database import PoolBounds, build_engine
from app.errors import Unavailable
from app.lifespan import limits_of
from app.pool import FairPool, share
from tests.databases import make_settings
from tests.test_gate import gate


async def test_the_pool_never_uses_the_queue_of_sqlalchemy(committed_url: str) -> None:
    """Forty callers on two connections: all are served in their order, and no more than two are ever inside."""
    settings = make_settings(committed_url)
    url = settings.database_url.get_secret_value()
    bounds = PoolBounds(size=2, waiting=40, wait=timedelta(seconds=60))
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
    bounds = PoolBounds(size=3, waiting=40, wait=timedelta(seconds=60))
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

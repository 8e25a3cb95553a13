"""The connection pool has the bounds of the capacity plan, even after `dispose`, when SQLAlchemy makes a new pool."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database.engine import build_engine
from app.database.pool import FairPool
from app.errors import Unavailable
from app.settings.bounds import PoolBounds
from tests.databases import make_settings, opened


def engine_on(url: str, bounds: PoolBounds) -> AsyncEngine:
    settings = make_settings(url)
    address = settings.database_url.get_secret_value()
    return build_engine(address, pool=bounds, timeouts=settings.database_timeouts, application_name="test")


def pool_of(engine: AsyncEngine) -> FairPool:
    assert isinstance(engine.pool, FairPool)
    return engine.pool


async def test_the_pool_of_the_requests_has_the_bounds_of_the_plan(shared_url: str) -> None:
    changes = {"database_pool_limit": 3, "database_max_overflow": 1, "database_queue_timeout_seconds": 0.5}
    async with opened(make_settings(shared_url, **changes)) as resources:
        plan, pool = resources.plan, pool_of(resources.engine)
        bounds = (pool.bulkhead.max_concurrent, pool.bulkhead.max_queue, pool.bulkhead.queue_timeout_seconds)

    assert bounds == (
        plan.pool_size + plan.database_max_overflow,
        plan.database_max_queue,
        plan.database_queue_timeout_seconds,
    )
    assert bounds == (4, 80, 0.5)


async def test_overflow_is_opened_under_load_and_closed_afterwards(shared_url: str) -> None:
    engine = engine_on(shared_url, PoolBounds(size=1, overflow=1, max_queue=0))
    async with engine.connect(), engine.connect():
        with pytest.raises(Unavailable, match="too busy"):
            await engine.connect()
        checked_out = pool_of(engine).checkedout()
    idle = pool_of(engine).checkedin()

    assert (checked_out, idle, pool_of(engine).bulkhead.in_use) == (2, 1, 0)
    await engine.dispose()


async def test_a_queue_is_as_long_as_the_plan_says(shared_url: str) -> None:
    engine = engine_on(shared_url, PoolBounds(size=1, max_queue=2, queue_timeout=timedelta(seconds=60)))
    async with engine.connect():
        queued = [asyncio.create_task(_use(engine)) for _ in range(2)]
        await asyncio.sleep(0)
        # A full queue refuses a caller at once, not after the queue timeout of 60 s.
        with pytest.raises(Unavailable, match="too busy"):
            await asyncio.wait_for(_use(engine), timeout=10)
    await asyncio.gather(*queued)
    await engine.dispose()


async def test_a_pool_that_follows_a_disposed_pool_has_the_same_bounds(shared_url: str) -> None:
    engine = engine_on(shared_url, PoolBounds(size=2, overflow=1, max_queue=7, queue_timeout=timedelta(seconds=3)))
    await engine.dispose()

    bulkhead = pool_of(engine).bulkhead
    assert (bulkhead.max_concurrent, bulkhead.max_queue, bulkhead.queue_timeout_seconds) == (3, 7, 3.0)


async def _use(engine: AsyncEngine) -> None:
    async with engine.connect():
        pass

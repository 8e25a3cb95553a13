"""The pool has the bounds of the plan, overflow included, and keeps them when SQLAlchemy makes it anew."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import PoolBounds, build_engine
from app.errors import Unavailable
from app.lifespan import limits_of, open_resources
from app.pool import FairPool
from tests.databases import make_settings


def engine_on(url: str, bounds: PoolBounds) -> AsyncEngine:
    settings = make_settings(url)
    address = settings.database_url.get_secret_value()
    return build_engine(address, pool=bounds, limits=limits_of(settings), application_name="test")


def pool_of(engine: AsyncEngine) -> FairPool:
    assert isinstance(engine.pool, FairPool)
    return engine.pool


async def test_the_pool_of_the_requests_has_the_bounds_of_the_plan(shared_url: str) -> None:
    changes = {"database_pool_limit": 3, "database_max_overflow": 1, "database_pool_wait_seconds": 0.5}
    async with open_resources(make_settings(shared_url, **changes)) as resources:
        plan, pool = resources.plan, pool_of(resources.engine)
        bounds = (pool.gate.places, pool.gate.max_waiting, pool.gate.max_wait_seconds)

    assert bounds == (plan.pool_size + plan.max_overflow, plan.database_waiting, plan.database_wait_seconds)
    assert bounds == (4, 80, 0.5)


async def test_overflow_is_opened_under_load_and_closed_afterwards(shared_url: str) -> None:
    engine = engine_on(shared_url, PoolBounds(size=1, overflow=1, waiting=0))
    async with engine.connect(), engine.connect():
        with pytest.raises(Unavailable, match="too busy"):
            await engine.connect()
        most = pool_of(engine).checkedout()
    kept = pool_of(engine).checkedin()

    assert (most, kept, pool_of(engine).gate.in_use) == (2, 1, 0)
    await engine.dispose()


async def test_a_queue_is_as_long_as_the_plan_says(shared_url: str) -> None:
    engine = engine_on(shared_url, PoolBounds(size=1, waiting=2, wait=timedelta(seconds=5)))
    async with engine.connect():
        waiting = [asyncio.create_task(_use(engine)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="too busy"):
            await asyncio.wait_for(_use(engine), timeout=1)
    await asyncio.gather(*waiting)
    await engine.dispose()


async def test_a_pool_made_anew_has_the_same_bounds(shared_url: str) -> None:
    engine = engine_on(shared_url, PoolBounds(size=2, overflow=1, waiting=7, wait=timedelta(seconds=3)))
    await engine.dispose()

    gate = pool_of(engine).gate
    assert (gate.places, gate.max_waiting, gate.max_wait_seconds) == (3, 7, 3.0)


async def _use(engine: AsyncEngine) -> None:
    async with engine.connect():
        pass

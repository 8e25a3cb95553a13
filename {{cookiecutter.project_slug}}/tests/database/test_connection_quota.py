"""The connection pool's bulkhead and the quotas of route groups: no caller queues in SQLAlchemy, no slot leaks."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.database.engine import build_engine
from app.database.pool import FairPool
from app.errors import Unavailable
from app.request.held_connections import ConnectionHeld
from app.request.slot import BACKGROUND, connection_quota
from app.settings.bounds import PoolBounds
from tests.databases import make_settings, opened
from tests.limits.waiting import count_waiting


async def test_the_pool_never_uses_the_queue_of_sqlalchemy(committed_url: str) -> None:
    """Forty callers share two connections: the pool's bulkhead admits two callers at a time, in order of arrival."""
    settings = make_settings(committed_url)
    url = settings.database_url.get_secret_value()
    bounds = PoolBounds(size=2, max_queue=40, queue_timeout=timedelta(seconds=60))
    engine = build_engine(url, pool=bounds, timeouts=settings.database_timeouts, application_name="test")
    pool = engine.pool
    assert isinstance(pool, FairPool)
    order: list[int] = []

    async def use(number: int) -> None:
        async with engine.connect():
            assert pool.checkedout() <= pool.bulkhead.in_use <= 2  # each caller enters the bulkhead first
            order.append(number)
            await asyncio.sleep(0.001)

    async with engine.connect(), engine.connect():  # opens both connections of the pool before the test
        pass
    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(use(number))

    assert order == list(range(40))
    assert (pool.bulkhead.in_use, count_waiting(pool.bulkhead)) == (0, 0)
    await engine.dispose()


async def test_a_connection_that_cannot_be_opened_keeps_no_slot_of_the_bulkhead() -> None:
    settings = make_settings("postgresql://nobody:nothing@127.0.0.1:1/none")
    url = settings.database_url.get_secret_value()
    engine = build_engine(url, pool=PoolBounds(size=1), timeouts=settings.database_timeouts, application_name="test")
    for _ in range(3):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await engine.connect()

    pool = engine.pool
    assert isinstance(pool, FairPool)
    assert (pool.bulkhead.in_use, count_waiting(pool.bulkhead)) == (0, 0)


async def test_stuck_route_groups_and_stuck_background_work_leave_a_connection_to_the_next(committed_url: str) -> None:
    settings = make_settings(committed_url)
    url = settings.database_url.get_secret_value()
    bounds = PoolBounds(
        size=4,
        max_queue=40,
        queue_timeout=timedelta(seconds=60),
        quotas=("left", "right", "third"),
        quota=2,
        reserved=3,
    )
    engine = build_engine(url, pool=bounds, timeouts=settings.database_timeouts, application_name="test")
    pool, ended = engine.pool, asyncio.Event()
    assert isinstance(pool, FairPool)

    async def hold(name: str) -> None:
        connection_quota.set(name)
        async with engine.connect():
            await ended.wait()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for name in ("left", "right", BACKGROUND) * 4:
            group.create_task(hold(name))
        while count_waiting(pool.bulkhead) < 9:  # noqa: ASYNC110 - a bulkhead has no event for a longer queue
            await asyncio.sleep(0.001)
        token = connection_quota.set("third")
        async with engine.connect():
            assert {name: quota.in_use for name, quota in pool.bulkhead.by_name.items()} == dict.fromkeys(
                ("left", "right", "third", BACKGROUND), 1
            )
        connection_quota.reset(token)
        ended.set()

    assert (pool.bulkhead.in_use, count_waiting(pool.bulkhead)) == (0, 0)
    await engine.dispose()


async def test_a_second_connection_of_one_task_is_refused_in_development_and_tests(committed_url: str) -> None:
    """A task that holds a database connection gets an error when the task asks for a second connection.

    Ten requests that each hold a connection and wait for a second connection would deadlock until the timeout.
    """
    read = text("SELECT 1")
    async with opened(make_settings(committed_url)) as resources:
        async with resources.write_sessions.begin() as session:
            await resources.reader.execute(read)  # allowed: the session takes no connection before its first statement
            await session.execute(read)
            with pytest.raises(ConnectionHeld, match="Pass the session of the open transaction on"):
                await resources.reader.execute(read)
        await resources.reader.execute(read)
        async with resources.snapshot_sessions() as snapshot:
            await snapshot.execute(read)
            # A child task of a task that holds a connection gets the error too.
            with pytest.raises(ConnectionHeld, match="second database connection"):
                await asyncio.create_task(resources.reader.execute(read))


async def test_a_second_connection_of_one_task_is_lent_in_production(committed_url: str) -> None:
    settings = make_settings(committed_url, environment="production", api_docs=False)
    async with opened(settings) as resources, resources.engine.connect():
        assert await resources.reader.scalar(text("SELECT 1")) == 1

"""Reads that go straight to the driver, past SQLAlchemy: lost, idle or cancelled connections, a changed schema."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import asyncpg
import greenlet  # type: ignore[import-untyped] # greenlet has no type hints
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.util import greenlet_spawn

from app.database.pool import FairPool
from app.resources import Resources
from tests.database.test_reader import end_connections
from tests.databases import make_settings, opened
from tests.limits.waiting import count_waiting
from tests.tasks import until


@pytest.fixture
async def one(committed_url: str) -> AsyncGenerator[Resources]:
    """The service's resources with a pool of one connection, on which the SELECT of the tests has run once."""
    async with opened(make_settings(f"{committed_url}?sslmode=disable", database_pool_limit=1)) as resources:
        await resources.reader.scalar(ONE, {"number": 1})
        yield resources


ONE = sa.select(sa.bindparam("number", type_=sa.Integer).label("number"), sa.func.pg_backend_pid().label("pid"))
SLOW = sa.select(sa.func.pg_sleep(sa.bindparam("seconds", type_=sa.Float)), sa.func.pg_backend_pid().label("pid"))


def pool_of(resources: Resources) -> FairPool:
    """Return the connection pool for requests."""
    assert isinstance(resources.engine.pool, FairPool)
    return resources.engine.pool


async def switches_of(resources: Resources) -> int:
    """Return how often a read switches greenlets: 0 if it goes straight to the driver."""
    seen: list[str] = []
    greenlet.settrace(lambda event, _greenlets: seen.append(event))
    assert await resources.reader.scalar(ONE, {"number": 7}) == 7
    greenlet.settrace(None)
    return len(seen)


async def test_a_greenlet_runs_only_to_open_or_to_test_a_connection(one: Resources, committed_url: str) -> None:
    assert await switches_of(one) == 0

    pool_of(one).idle_seconds = -1.0  # from now on, each connection counts as idle for too long and is tested
    assert await switches_of(one) > 0

    pool_of(one).idle_seconds = 60.0
    assert await switches_of(one) == 0

    await end_connections(committed_url)
    record: Any = pool_of(one)._pool._queue._queue[0]  # type: ignore[attr-defined] # noqa: SLF001
    await until(record.driver_connection.is_closed)
    assert await switches_of(one) > 0
    assert await switches_of(one) == 0


async def test_readers_of_an_empty_pool_wait_in_order_without_a_greenlet(one: Resources) -> None:
    await one.reader.execute(SLOW, {"seconds": 0.0})
    seen: list[str] = []
    greenlet.settrace(lambda event, _greenlets: seen.append(event))

    found = await asyncio.gather(*(one.reader.scalar(ONE, {"number": number}) for number in range(5)))
    greenlet.settrace(None)

    assert (found, seen) == ([0, 1, 2, 3, 4], [])
    assert (pool_of(one).checkedout(), pool_of(one).bulkhead.in_use) == (0, 0)


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_read_drops_its_connection_and_frees_the_pool(one: Resources, turns: int) -> None:
    """A running and a queued read are cancelled after some turns of the event loop: no connection stays taken."""
    await one.reader.execute(SLOW, {"seconds": 0.0})
    running = asyncio.create_task(one.reader.execute(SLOW, {"seconds": 20.0}))
    waiting = asyncio.create_task(one.reader.execute(SLOW, {"seconds": 20.0}))
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in (waiting, running):
        task.cancel()

    assert [type(end) for end in await asyncio.gather(running, waiting, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 2
    assert (pool_of(one).checkedout(), pool_of(one).bulkhead.in_use, count_waiting(pool_of(one).bulkhead)) == (0, 0, 0)
    assert await one.reader.scalar(ONE, {"number": 3}) == 3


async def test_an_error_is_that_of_sqlalchemy_and_costs_no_connection(one: Resources) -> None:
    divided = sa.select(1 / sa.bindparam("by", type_=sa.Integer), sa.func.pg_backend_pid().label("pid"))
    before = (await one.reader.execute(divided, {"by": 1})).one().pid

    errors = []
    for run in (one.reader.execute, lambda *values: greenlet_spawn(one.reader._run_in_greenlet, *values)):  # noqa: SLF001 - the read through SQLAlchemy
        for values in ({"by": 0}, {"by": "text"}, {}):
            with pytest.raises(StatementError) as raised:
                await run(divided, values)
            errors.append((type(raised.value), str(raised.value.orig), raised.value.statement))

    assert errors[:3] == errors[3:]
    assert (await one.reader.execute(divided, {"by": 1})).one().pid == before


async def test_a_lost_connection_is_reported_and_replaced(one: Resources, committed_url: str) -> None:
    """PostgreSQL ends a read's connection: with an empty retry budget, the read fails, and the next read succeeds."""
    await one.reader.execute(SLOW, {"seconds": 0.0})
    while one.reader._retries.take():  # noqa: SLF001 - empties the retry budget
        pass
    reading = asyncio.create_task(one.reader.execute(SLOW, {"seconds": 20.0}))
    outsider = await asyncpg.connect(committed_url.replace("+asyncpg", ""))
    while not await outsider.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):  # noqa: ASYNC110 - PostgreSQL sends no event for a running statement
        await asyncio.sleep(0.01)
    await outsider.close()

    await end_connections(committed_url)

    with pytest.raises(DBAPIError) as raised:
        await reading
    assert raised.value.connection_invalidated
    assert await one.reader.scalar(ONE, {"number": 1}) == 1


async def test_a_changed_schema_costs_no_read(one: Resources, committed_url: str) -> None:
    changing = sa.table("changing", sa.column("value"))
    read = sa.select(changing.c.value).where(sa.text("true")).limit(1)
    outsider = await asyncpg.connect(committed_url.replace("+asyncpg", ""))
    await outsider.execute("CREATE TABLE changing AS SELECT 1 AS value; GRANT SELECT ON changing TO PUBLIC")
    found = [await one.reader.scalar(read), await one.reader.scalar(read)]

    for kind in ("text", "numeric USING value::numeric", "int[] USING ARRAY[value::int]"):
        await outsider.execute(f"ALTER TABLE changing ALTER value TYPE {kind}")
        found.append(await one.reader.scalar(read))
    await outsider.close()

    assert found == [1, 1, "1", Decimal(1), [1]]


async def test_a_statement_that_varies_stays_with_sqlalchemy(one: Resources) -> None:
    number = sa.bindparam("number", type_=sa.Integer)
    some = sa.select(sa.literal(7)).where(sa.literal(7).in_(sa.bindparam("among", expanding=True)))
    found = [(await one.reader.execute(some, {"among": among})).all() for among in ([7], [1, 7], [1], [])]
    either = sa.select(sa.bindparam("number", 5, type_=sa.Integer))

    assert found == [[(7,)], [(7,)], [], []]
    assert [await one.reader.scalar(either, values) for values in ({}, {"number": 6}, {}, None)] == [5, 6, 5, 5]
    assert await one.reader.scalar(sa.select(number + number), {"number": 4}) == 8


async def test_a_compiled_statement_goes_with_the_statement(one: Resources) -> None:
    statement = sa.select(sa.literal(1).label("number"))
    await one.reader.execute(statement)
    gone = weakref.ref(statement)
    one.engine.sync_engine.clear_compiled_cache()

    del statement
    gc.collect()

    assert gone() is None

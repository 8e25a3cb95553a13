"""The rate limit stores agree with each other, on a real PostgreSQL and a real Valkey."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text

from app.database.engine import transactional
from app.rate_limits.gcra import SECOND, Count, Policy
from app.rate_limits.limiter import Limiter, Store
from app.rate_limits.postgres import SWEEP, SWEEP_CALLS, PostgresStore
from app.resources import Resources
from app.valkey.client import MAX_CONNECTIONS
from tests.rate_limits.stores import POLICY, allowed, on
from tests.valkey.server import Valkey, needs_valkey

pytestmark = needs_valkey
EACH_STORE = pytest.mark.parametrize("store", ["postgres", "valkey"], indirect=True)

SECONDS = 60
"""The timeout of store calls in tests without faults, in seconds: so long that even a busy machine does not reach the
timeout."""


@pytest.fixture
async def store(request: pytest.FixtureRequest, resources: Resources, running: Valkey) -> AsyncGenerator[Store]:
    """An empty rate limit store, in PostgreSQL or in Valkey."""
    running.send("FLUSHALL")
    async with on(running) as found:
        yield PostgresStore(transactional(resources.engine)) if request.param == "postgres" else found


@EACH_STORE
async def test_each_store_counts_as_gcra_does(store: Store) -> None:
    counts = [await store.take("a", POLICY, hits) for hits in (1, 3, 100, 1)]
    spent = counts[0].ahead * 50 - counts[3].ahead

    assert [counted.allowed for counted in counts] == [1, 3, 46, 0]
    assert counts[0] == Count(1, 3600 * SECOND // 50)
    assert 0 <= spent < SECONDS * SECOND  # a little of the quota comes back in the time between the requests
    assert (await store.take("b", POLICY, 1)).allowed == 1


@EACH_STORE
async def test_each_store_gives_the_quota_back_bit_by_bit(store: Store) -> None:
    quick = Policy("quick", quota=2, seconds=0.4)
    first = (await store.take("a", quick, 10)).allowed
    refused = await store.take("a", quick, 10)
    await asyncio.sleep(refused.wait(quick))
    again = (await store.take("a", quick, 1)).allowed

    assert (first, again) == (2, 1)


@EACH_STORE
async def test_two_processes_have_one_quota_together(store: Store) -> None:
    limiters = [Limiter(store, timeout_seconds=SECONDS) for _ in range(2)]

    assert sum(await asyncio.gather(*(allowed(limiter, 200, within=SECONDS) for limiter in limiters))) == 50


@EACH_STORE
async def test_a_smaller_quota_refuses_for_one_of_its_windows_at_most(store: Store) -> None:
    await store.take("a", POLICY, 50)
    small = Policy("tried", quota=2, seconds=0.2)

    refused = await store.take("a", small, 1)

    assert (refused.allowed, refused.ahead) == (0, small.interval * 2)


async def test_a_hit_writes_to_an_unlogged_table_and_keys_that_owe_nothing_are_swept(resources: Resources) -> None:
    store = PostgresStore(transactional(resources.engine))
    await store.take("old", Policy("brief", quota=1, seconds=0.01), 1)
    await store.take("new", POLICY, 1)
    await asyncio.sleep(0.02)
    async with transactional(resources.engine).begin() as connection:
        kind = await connection.scalar(text("SELECT relpersistence::text FROM pg_class WHERE relname = 'rate_limits'"))
        swept = (await connection.execute(SWEEP)).rowcount
        kept = (await connection.scalars(text("SELECT key FROM rate_limits"))).all()

    assert (kind, swept, kept) == ("u", 1, ["new"])


async def test_a_hit_does_not_wait_for_a_sweep(resources: Resources) -> None:
    store = PostgresStore(transactional(resources.engine))
    await store.take("old", Policy("brief", quota=1, seconds=0.01), 1)
    await asyncio.sleep(0.02)
    vars(store)["_calls"] = SWEEP_CALLS - 1
    await store.take("new", POLICY, 1)
    sweep: asyncio.Task[None] = vars(store)["_sweeping"]
    is_done = sweep.done()
    await sweep
    async with resources.engine.connect() as connection:
        kept = (await connection.scalars(text("SELECT key FROM rate_limits"))).all()

    assert (is_done, kept) == (False, ["new"])


async def test_a_key_that_owes_nothing_expires_in_valkey(running: Valkey) -> None:
    running.send("FLUSHALL")
    async with on(running) as store:
        await store.take("a", Policy("brief", quota=1, seconds=0.01), 1)
        await asyncio.sleep(0.05)

    assert running.send("EXISTS service:rate:a") == b":0\r\n"


async def test_more_clients_than_connections_wait_for_each_other(running: Valkey) -> None:
    async with on(running) as store:
        limiter = Limiter(store, timeout_seconds=SECONDS)
        counts = await asyncio.gather(*(limiter.take(f"key {number}", POLICY) for number in range(MAX_CONNECTIONS * 2)))

    assert sum(counted.allowed for counted in counts) == MAX_CONNECTIONS * 2

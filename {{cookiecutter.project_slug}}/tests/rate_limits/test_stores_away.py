"""A rate limit store that is down, frozen or saturated delays a request only briefly, and never lifts the limit."""

import asyncio
from string import ascii_letters
from time import monotonic

import asyncpg
from sqlalchemy import text

from app.database.engine import transactional
from app.rate_limits.limiter import Limiter
from app.rate_limits.postgres import PostgresStore
from app.resources import Resources
from tests.databases import exhausted
from tests.rate_limits.stores import AT_MOST_SECONDS, POLICY, allowed, on
from tests.valkey.server import Valkey, needs_valkey

pytestmark = needs_valkey


async def test_a_locked_table_leaves_the_limit_in_the_process(resources: Resources, committed_url: str) -> None:
    limiter = Limiter(PostgresStore(transactional(resources.engine)))
    locker = await asyncpg.connect(committed_url)
    async with locker.transaction():
        await locker.execute("LOCK TABLE rate_limits")
        assert await allowed(limiter, 200) == 50
    await locker.close()


async def test_a_pool_without_a_free_connection_leaves_the_limit_in_the_process(resources: Resources) -> None:
    limiter = Limiter(PostgresStore(transactional(resources.engine)))
    async with exhausted(resources):
        assert await allowed(limiter, 200) == 50


async def test_a_database_without_the_table_leaves_the_limit_in_the_process(resources: Resources) -> None:
    async with transactional(resources.engine).begin() as connection:
        await connection.execute(text("DROP TABLE rate_limits"))

    assert await allowed(Limiter(PostgresStore(transactional(resources.engine))), 200) == 50


async def test_a_valkey_that_is_killed_leaves_the_limit_in_the_process(valkey: Valkey) -> None:
    async with on(valkey) as store:
        limiter = Limiter(store)
        before = await allowed(limiter, 20)
        valkey.kill()
        after = await allowed(limiter, 200)

    assert (before, after) == (20, 30)  # without Valkey, the process continues from its own counts


async def test_a_frozen_valkey_costs_one_timeout_once(valkey: Valkey) -> None:
    async with on(valkey) as store:
        limiter = Limiter(store)
        await limiter.take("a", POLICY)
        valkey.freeze()
        frozen = await allowed(limiter, 200)
        began = monotonic()
        others = [await allowed(limiter, 20, key) for key in ascii_letters]
        seconds = monotonic() - began
        valkey.thaw()

    # all letters except the key "a", whose quota the first requests used up
    assert sum(others) == 20 * (len(ascii_letters) - 1)
    assert frozen == 49
    assert seconds < AT_MOST_SECONDS  # a timeout for each of 52 keys would take more than twice as long


async def test_a_valkey_that_returns_counts_for_all_again(valkey: Valkey) -> None:
    async with on(valkey) as store:
        limiter = Limiter(store, pause_seconds=0.05)
        valkey.freeze()
        await allowed(limiter, 10)
        valkey.thaw()
        await asyncio.sleep(0.1)
        await limiter.take("a", POLICY)  # the first request after the pause asks Valkey again
        await allowed(limiter, 10, key="b")

        assert (await store.take("b", POLICY, 50)).allowed == 40


async def test_a_saturated_valkey_leaves_the_limit_in_the_process(valkey: Valkey) -> None:
    """A Lua script that computes for seconds makes the Valkey server as slow as overload would."""
    async with on(valkey) as store:
        limiter = Limiter(store)
        valkey.begin('EVAL "for i = 1, 1e10 do end" 0')
        await asyncio.sleep(0.1)

        assert await allowed(limiter, 200) == 50

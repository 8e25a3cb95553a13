"""In development, a downstream call is refused while a transaction of the request holds a database connection."""

import asyncio

import pytest
from sqlalchemy import text

from app.database.pool import FairPool
from app.downstreams.downstream import Downstream
from app.request.held_connections import ConnectionHeld
from app.resources import Resources
from tests.databases import make_settings, opened
from tests.downstreams.scripted_downstream import ScriptedResponses, build_downstream
from tests.tasks import cancel, until

ONE = text("SELECT 1")


async def is_refused(downstream: Downstream) -> bool:
    """Call a downstream, and tell whether the call is refused because the request holds a database connection."""
    try:
        await downstream.get_json("things")
    except ConnectionHeld:
        return True
    return False


async def refusals_around_a_transaction(resources: Resources, downstream: Downstream) -> list[bool]:
    """Call a downstream before, during and after a transaction, and in a task started inside the transaction.

    Returns:
        whether each call was refused.
    """
    refused = [await is_refused(downstream)]
    async with resources.write_sessions.begin() as session:
        refused.append(await is_refused(downstream))  # allowed: a session has no connection before its first statement
        await session.execute(ONE)
        refused += [await is_refused(downstream), await asyncio.create_task(is_refused(downstream))]
    refused.append(await is_refused(downstream))
    await resources.reader.execute(ONE)
    return [*refused, await is_refused(downstream)]


async def test_a_call_during_an_open_transaction_is_refused(committed_url: str) -> None:
    downstream = build_downstream(ScriptedResponses(200))
    async with opened(make_settings(committed_url)) as resources:
        assert await refusals_around_a_transaction(resources, downstream) == [False, False, True, True, False, False]


async def test_a_call_beside_a_concurrent_read_is_allowed(committed_url: str) -> None:
    downstream = build_downstream(ScriptedResponses(200))
    async with opened(make_settings(committed_url)) as resources:
        pool = resources.engine.pool
        assert isinstance(pool, FairPool)
        await resources.reader.execute(ONE)  # connects in advance, so that the next checkout takes no time
        reading = asyncio.create_task(resources.reader.execute(text("SELECT pg_sleep(2)")))
        await until(lambda: pool.checkedout() == 1)
        refused = await asyncio.create_task(is_refused(downstream))
        overlapping = not reading.done()
        await cancel(reading)

    assert (refused, overlapping) == (False, True)


async def test_a_cached_call_during_an_open_transaction_is_refused_too(committed_url: str) -> None:
    downstream = build_downstream(ScriptedResponses(200), cache_seconds=60)
    async with opened(make_settings(committed_url)) as resources:
        assert await refusals_around_a_transaction(resources, downstream) == [False, False, True, True, False, False]


@pytest.mark.parametrize("environment", ["production", "development"])
async def test_production_does_not_check_for_held_connections(committed_url: str, environment: str) -> None:
    settings = make_settings(committed_url, environment=environment, api_docs=False)
    async with opened(settings) as resources:
        checks = {downstream._development for downstream in resources.downstreams.values()}  # noqa: SLF001 - the private flag that switches the check on

    assert checks <= {environment == "development"}

"""A call to another service with a database connection in hand is found where it is written."""

import asyncio

import pytest
from sqlalchemy import text

from app.downstreams.downstream import Downstream
from app.held import ConnectionHeld
from app.lifespan import Resources, open_resources
from tests.databases import make_settings
from tests.downstreams.neighbours import Script, neighbour

ONE = text("SELECT 1")


async def ask(one: Downstream) -> bool:
    """Tell whether the call was refused."""
    try:
        await one.get_json("things")
    except ConnectionHeld:
        return True
    return False


async def while_holding(resources: Resources, one: Downstream) -> list[bool]:
    """Call before, during and after a transaction, and in a task that the transaction waits for."""
    refused = [await ask(one)]
    async with resources.write_sessions.begin() as session:
        refused.append(await ask(one))  # nothing was asked of the database yet
        await session.execute(ONE)
        refused += [await ask(one), await asyncio.create_task(ask(one))]
    refused.append(await ask(one))
    await resources.reader.execute(ONE)
    return [*refused, await ask(one)]


async def test_a_call_while_a_transaction_is_open_is_refused(committed_url: str) -> None:
    one = neighbour(Script(200))
    async with open_resources(make_settings(committed_url)) as resources:
        assert await while_holding(resources, one) == [False, False, True, True, False, False]


async def test_a_call_beside_a_read_of_the_same_request_is_none_of_those(committed_url: str) -> None:
    one = neighbour(Script(200))
    async with open_resources(make_settings(committed_url)) as resources, asyncio.TaskGroup() as group:
        group.create_task(resources.reader.execute(text("SELECT pg_sleep(0.1)")))
        await asyncio.sleep(0.05)
        calling = group.create_task(ask(one))

    assert not calling.result()


async def test_an_answer_from_the_cache_is_no_excuse(committed_url: str) -> None:
    one = neighbour(Script(200), cache_seconds=60)
    async with open_resources(make_settings(committed_url)) as resources:
        assert await while_holding(resources, one) == [False, False, True, True, False, False]


@pytest.mark.parametrize("environment", ["production", "development"])
async def test_production_does_not_look(committed_url: str, environment: str) -> None:
    settings = make_settings(committed_url, environment=environment, api_docs=False)
    async with open_resources(settings) as resources:
        looks = {one._development for one in resources.downstreams.values()}  # noqa: SLF001

    assert looks <= {environment == "development"}

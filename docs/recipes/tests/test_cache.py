"""Tests of a cache on a real Valkey: the recipe, and what the code of the tutorials does instead."""

import asyncio
import importlib
import inspect
import os
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

import cache
import pytest
from edges import Server, client_of, losing_a_reply, tutorial
from redis.asyncio import Redis
from redis.exceptions import RedisError

pytestmark = pytest.mark.anyio

CALLERS = 150


async def test_aioredis_cannot_be_imported() -> None:
    with pytest.raises((ImportError, TypeError)):
        importlib.import_module("aioredis")


def counting(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[int]:
    """Count how often a module loads the value to cache."""
    loads: list[int] = []
    load: Callable[[], Coroutine[Any, Any, bytes]] = module.slow_report

    async def counted() -> bytes:
        loads.append(1)
        return await load()

    monkeypatch.setattr(module, "slow_report", counted)
    return loads


@pytest.mark.usefixtures("valkey")
async def test_many_callers_of_an_empty_cache_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty cache, callers of the recipe cause one load.

    In the tutorial, each caller loads, and the default pool of redis-py refuses the 101st connection at once.
    """
    statuses = {}
    for name, module in (("ours", cache), ("theirs", tutorial("cache"))):
        loads = counting(monkeypatch, module)
        async with client_of(module.app) as client:
            found = await asyncio.gather(*(client.get("/report") for _ in range(CALLERS)))
        statuses[name] = (len(loads), sum(response.status_code == 500 for response in found))
        await Redis.from_url(os.environ["VALKEY_URL"]).flushall()

    assert statuses["ours"] == (1, 0)
    loads_of_theirs, errors = statuses["theirs"]
    assert loads_of_theirs >= 50
    assert errors >= 10


async def test_a_frozen_cache_costs_a_bounded_time(valkey: Server) -> None:
    """While Valkey is frozen, all callers of the recipe get a response before a caller of the tutorial.

    The caller of the tutorial begins first.
    """
    async with client_of(cache.app) as client, client_of(tutorial("cache").app) as other:
        await asyncio.gather(client.get("/report"), other.get("/report"))
        valkey.freeze()
        slow = asyncio.create_task(other.get("/report"))
        found = await asyncio.gather(*(client.get("/report") for _ in range(CALLERS)))
        is_waiting = not slow.done()
        valkey.thaw()
        await slow

    assert {response.status_code for response in found} == {200}
    assert is_waiting


@pytest.mark.usefixtures("valkey")
async def test_the_recipe_runs_with_valkey_py_when_its_imports_are_renamed() -> None:
    """The recipe runs with valkey-py when only the names of imports change.

    The recipe's short timeouts are lengthened here, as a busy machine would exceed these.
    """
    renamed = inspect.getsource(cache).replace("redis.", "valkey.").replace("Redis", "Valkey").replace("0.25", "10")
    fork = ModuleType("cache_of_valkey")
    exec(compile(renamed, "cache_of_valkey.py", "exec"), fork.__dict__)  # noqa: S102 - the recipe beside this test
    async with client_of(fork.app) as client, fork.connect(os.environ["VALKEY_URL"]) as reader:
        found = [(await client.get("/report")).json() for _ in range(2)]
        stored = await reader.get("v1:report")

    assert found == [{"report": "the figures of today"}] * 2
    assert (type(reader).__module__, stored) == ("valkey.asyncio.client", b"the figures of today")


async def test_a_command_whose_reply_was_lost_is_sent_once(valkey: Server) -> None:
    """The connection ends after the server has counted an INCR, and before the client has read the reply."""
    counted = {}
    async with losing_a_reply(valkey.port, b"INCR") as port:
        for name, client in (("ours", cache.connect(f"redis://127.0.0.1:{port}")), ("theirs", Redis(port=port))):
            error = (await asyncio.gather(client.incr(name), return_exceptions=True))[0]
            counted[name] = isinstance(error, RedisError), int(await client.get(name) or 0)
            await client.aclose()

    assert counted["ours"] == (True, 1)
    assert counted["theirs"] == (False, 2)

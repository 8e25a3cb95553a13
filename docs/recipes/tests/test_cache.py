"""The cache: the recipe, and what the lines of the tutorials do, on a real Valkey."""

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
    """Count the loads of a module."""
    loads: list[int] = []
    load: Callable[[], Coroutine[Any, Any, bytes]] = module.slow_report

    async def counted() -> bytes:
        loads.append(1)
        return await load()

    monkeypatch.setattr(module, "slow_report", counted)
    return loads


@pytest.mark.usefixtures("valkey")
async def test_many_callers_of_an_empty_cache_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default pool of redis-py refuses the 101st connection at once, and each other caller loads."""
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
    """Each caller of the recipe has its response before one caller of the tutorial, which began first."""
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
    """The names change and nothing else; the short timeouts are of the recipe, and a busy machine would meet them."""
    renamed = inspect.getsource(cache).replace("redis.", "valkey.").replace("Redis", "Valkey").replace("0.25", "10")
    fork = ModuleType("cache_of_valkey")
    exec(compile(renamed, "cache_of_valkey.py", "exec"), fork.__dict__)  # noqa: S102 - the recipe beside this test
    async with client_of(fork.app) as client, fork.connect(os.environ["VALKEY_URL"]) as reader:
        found = [(await client.get("/report")).json() for _ in range(2)]
        stored = await reader.get("v1:report")

    assert found == [{"report": "the figures of today"}] * 2
    assert (type(reader).__module__, stored) == ("valkey.asyncio.client", b"the figures of today")


async def test_a_command_whose_reply_was_lost_is_sent_once(valkey: Server) -> None:
    """The connection ends after the server has counted, and before the client has read so."""
    counted = {}
    async with losing_a_reply(valkey.port, b"INCR") as port:
        for name, client in (("ours", cache.connect(f"redis://127.0.0.1:{port}")), ("theirs", Redis(port=port))):
            error = (await asyncio.gather(client.incr(name), return_exceptions=True))[0]
            counted[name] = isinstance(error, RedisError), int(await client.get(name) or 0)
            await client.aclose()

    assert counted["ours"] == (True, 1)
    assert counted["theirs"] == (False, 2)

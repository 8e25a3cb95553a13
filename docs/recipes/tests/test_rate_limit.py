"""Tests of rate limits on a real Valkey: the recipe, and what slowapi, fastapi-limiter and fastapi-cache2 do."""

import asyncio
import time
from collections import Counter

import httpx
import pytest
import rate_limit
from edges import LONG_STALL_SECONDS, Server, client_of, longest_stall, stall_while_frozen, tutorial
from fastapi import APIRouter, Depends, FastAPI

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("valkey")]

LIMIT = 5


async def statuses(client: httpx.AsyncClient, path: str, count: int = 20) -> Counter[int]:
    """Send requests at the same time, and count the responses by status."""
    answers = await asyncio.gather(*(client.get(path) for _ in range(count)))
    return Counter(answer.status_code for answer in answers)


async def test_the_limit_is_exact_also_in_two_processes_and_on_an_included_router(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two processes share a limit.

    The timeout for Valkey is long here: on a busy machine, a late reply would leave the limit to each process.
    """
    monkeypatch.setattr(rate_limit, "STORE_SECONDS", 10)
    second, router = FastAPI(lifespan=rate_limit.lifespan), APIRouter()
    router.get("/api/search", dependencies=[Depends(rate_limit.Limit("search", 5, 60))])(rate_limit.search)
    second.include_router(router, prefix="/deeper")
    async with client_of(rate_limit.app) as client, client_of(second) as other:
        both = await asyncio.gather(statuses(client, "/api/search"), statuses(other, "/deeper/api/search"))
        refused = await client.get("/api/search")

    assert both[0] + both[1] == {200: LIMIT, 429: 40 - LIMIT}
    assert 1 <= int(refused.headers["Retry-After"]) <= 13


async def test_a_limit_that_was_used_up_comes_back_bit_by_bit() -> None:
    """A limit that is used up comes back by one request a second, not by all twenty at the end of a window."""
    quick = FastAPI(lifespan=rate_limit.lifespan)
    quick.get("/", dependencies=[Depends(rate_limit.Limit("quick", requests=20, seconds=20))])(rate_limit.search)
    async with client_of(quick) as client:
        started = time.monotonic()
        found = await statuses(client, "/", 40)
        at_once = found[200]
        while found[200] == at_once and time.monotonic() < started + 10:
            found += await statuses(client, "/", 1)
        seconds = time.monotonic() - started

    assert at_once >= 20
    assert at_once < found[200] <= 20 + seconds


async def test_a_store_that_is_frozen_leaves_a_limit_in_the_process(valkey: Server) -> None:
    async with client_of(rate_limit.app) as client:
        valkey.freeze()
        stall = await longest_stall(statuses(client, "/api/search"))
        again = await statuses(client, "/api/search")

    assert again == {429: 20}
    assert stall < LONG_STALL_SECONDS


async def test_the_default_limit_of_slowapi_does_not_reach_a_router() -> None:
    async with client_of(tutorial("rate_limit").slowapi_app) as client:
        on_the_app = await statuses(client, "/on-the-app")
        on_a_router = await statuses(client, "/on-a-router")

    assert on_the_app == {200: LIMIT, 429: 20 - LIMIT}
    assert on_a_router == {200: 20}


async def test_slowapi_stops_the_loop_while_its_store_is_frozen(valkey: Server) -> None:
    async with client_of(tutorial("rate_limit").slowapi_app) as client:
        await client.get("/on-the-app")
        stall = await stall_while_frozen(valkey, client.get("/on-the-app"))

    assert stall >= LONG_STALL_SECONDS


async def test_a_limited_route_of_fastapi_limiter_is_a_500_beside_a_router() -> None:
    async with client_of(tutorial("rate_limit").limiter_app) as client:
        assert await statuses(client, "/limited") == {500: 20}


async def test_fastapi_cache_gives_the_response_of_a_user_to_the_next_user_and_loads_for_each_caller() -> None:
    module = tutorial("rate_limit")
    async with client_of(module.cache_app) as client:
        await asyncio.gather(*(client.get("/me", headers={"Authorization": "Alice"}) for _ in range(20)))
        bob = await client.get("/me", headers={"Authorization": "Bob"})

    assert len(module.loads) == 20
    assert bob.json() == "Alice"
    assert bob.headers["Cache-Control"].startswith("max-age=")

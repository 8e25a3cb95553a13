"""The response cache shares loads between concurrent callers, has stale-if-error, and is bounded in bytes."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from app.downstreams.cache import OVERHEAD_BYTES, Cache
from app.downstreams.client import httpx
from app.downstreams.registry import open_downstreams
from app.errors import DownstreamBadResponse, DownstreamUnavailable
from app.request.deadline import Expiry, begin, end, expires_at
from app.settings.downstreams import DownstreamSettings, DownstreamsSettings
from tests.downstreams.scripted_downstream import ScriptedResponses, build_downstream


class Source:
    """A fake downstream behind the cache: each load returns the next number, or fails while `fails` is set."""

    def __init__(self) -> None:
        self.loads = 0
        self.fails = False
        self.now = 1000.0

    def clock(self) -> float:
        """Return the time of the cache's clock, which the test sets in `now`."""
        return self.now

    def load(self) -> Callable[[], Coroutine[object, object, int]]:
        """Return a loader for the cache, which returns the next number."""

        async def load_number() -> int:
            self.loads += 1
            number = self.loads
            await asyncio.sleep(0.01)
            if self.fails:
                raise DownstreamUnavailable("source", "it cannot be reached.")
            return number

        return load_number


@pytest.fixture
def source() -> Source:
    """The fake downstream from which the cache loads."""
    return Source()


@pytest.fixture
def cache(source: Source) -> Cache[int]:
    """A response cache with room for two responses, which are fresh for 10 s and usable as stale for 30 s more."""
    return Cache(
        seconds=10, stale_seconds=30, max_bytes=2 * (OVERHEAD_BYTES + 7), weigh=lambda _answer: 7, clock=source.clock
    )


async def test_a_response_that_does_not_fit_leaves_the_others(source: Source) -> None:
    cache = Cache[int](
        seconds=10, stale_seconds=30, max_bytes=3 * OVERHEAD_BYTES, weigh=lambda answer: 5000 * (answer == 2)
    )
    found = [await cache.get(key, source.load()) for key in ("a", "large", "a", "large")]

    assert found == [1, 2, 1, 3]


async def test_a_hundred_concurrent_callers_share_a_single_load(cache: Cache[int], source: Source) -> None:
    found = await asyncio.gather(*(cache.get("key", source.load()) for _ in range(100)))

    assert (set(found), source.loads) == ({1}, 1)


async def test_a_response_is_served_until_it_is_stale(cache: Cache[int], source: Source) -> None:
    found = []
    for seconds in (0.0, 9.9, 0.2):
        source.now += seconds
        found.append(await cache.get("key", source.load()))

    assert found == [1, 1, 2]


async def test_a_stale_response_is_served_while_loading_fails_until_it_is_too_old(
    cache: Cache[int], source: Source
) -> None:
    await cache.get("key", source.load())
    source.fails = True
    source.now += 39
    stale = await cache.get("key", source.load())
    source.now += 2

    with pytest.raises(DownstreamUnavailable):
        await cache.get("key", source.load())
    assert (stale, source.loads) == (1, 3)


async def test_a_failure_is_not_cached(cache: Cache[int], source: Source) -> None:
    source.fails = True
    with pytest.raises(DownstreamUnavailable):
        await cache.get("key", source.load())
    source.fails = False

    assert await cache.get("key", source.load()) == 2


async def test_the_least_recently_used_response_is_dropped_first(cache: Cache[int], source: Source) -> None:
    for key in ("a", "b", "a", "c", "a", "b"):
        await cache.get(key, source.load())

    assert source.loads == 4
    assert cache.bytes == cache.max_bytes


async def test_a_replaced_or_too_large_response_takes_no_room(cache: Cache[int], source: Source) -> None:
    for _ in range(3):
        await cache.get("key", source.load())
        source.now += 11
    assert cache.bytes == OVERHEAD_BYTES + 7

    cache.max_bytes = 100
    await cache.get("key", source.load())
    assert cache.bytes == 0


async def test_a_cancelled_caller_does_not_cancel_the_shared_load(cache: Cache[int], source: Source) -> None:
    first = asyncio.create_task(cache.get("key", source.load()))
    await asyncio.sleep(0)
    second = asyncio.create_task(cache.get("key", source.load()))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second, source.loads) == (1, 1)


async def test_a_load_of_a_service_is_not_bound_by_the_deadline_of_its_first_caller() -> None:
    class Settings(DownstreamsSettings):
        shared: DownstreamSettings = DownstreamSettings(cache_seconds=60)

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=expires_at())

    token = begin(Expiry(asyncio.get_running_loop().time() + 60))
    async with open_downstreams(Settings(), lambda _name: httpx.MockTransport(answer)) as downstreams:
        found = await downstreams["shared"].get_json("a")
    end(token)

    assert found is None


async def test_a_downstream_gets_one_call_for_each_path_and_query() -> None:
    responses = ScriptedResponses(200)
    downstream = build_downstream(responses, cache_seconds=60)
    for path, params in (("a", None), ("a", None), ("b", None), ("a", {"x": "1"}), ("a", {"x": "1"})):
        await downstream.get_json(path, params=params)

    assert [str(request.url.raw_path, "ascii") for request in responses.requests] == ["/api/a", "/api/b", "/api/a?x=1"]


async def test_a_response_that_cannot_be_read_is_not_cached_and_a_stale_response_is_served_instead() -> None:
    answers: list[object] = [{"rate": 1}, {}, {}, {"rate": 2}]
    downstream = build_downstream(lambda _request: httpx.Response(200, json=answers.pop(0)), cache_seconds=0.01)

    def read(found: dict[str, int]) -> int:
        if "rate" not in found:
            raise DownstreamBadResponse("downstream", "it has no rate.")
        return found["rate"]

    found = []
    for _ in range(4):
        found.append(await downstream.get("a", read=read))
        await asyncio.sleep(0.02)

    assert found == [1, 1, 1, 2]


async def test_each_caller_gets_a_response_of_its_own() -> None:
    downstream = build_downstream(lambda _request: httpx.Response(200, json=[1]), cache_seconds=60)
    first = await downstream.get_json("a")
    first.append(2)

    assert await downstream.get_json("a") == [1]


async def test_without_the_setting_no_response_is_cached() -> None:
    responses = ScriptedResponses(200)
    downstream = build_downstream(responses)
    for _ in range(2):
        await downstream.get_json("a")

    assert len(responses.requests) == 2
    assert isinstance(responses.requests[0], httpx.Request)

"""Answers that are used again: one call for all who ask, old answers while it fails, and never too many."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from app.deadline import Expiry, begin, end, expires_at
from app.downstreams.cache import BESIDES, Cache
from app.downstreams.client import httpx
from app.errors import DownstreamBadResponse, DownstreamUnavailable
from tests.downstreams.neighbours import Script, neighbour


class Source:
    """Counts how often it is asked, and fails when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False
        self.now = 1000.0

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    def load(self) -> Callable[[], Coroutine[object, object, int]]:
        """Return what loads."""

        async def ask() -> int:
            assert expires_at() is None
            self.asked += 1
            number = self.asked
            await asyncio.sleep(0.01)
            if self.fails:
                raise DownstreamUnavailable("source", "it is away.")
            return number

        return ask


@pytest.fixture
def source() -> Source:
    """What is asked."""
    return Source()


@pytest.fixture
def cache(source: Source) -> Cache[int]:
    """Ten seconds, thirty more while it fails, and room for two."""
    return Cache(seconds=10, stale_seconds=30, max_bytes=2 * (BESIDES + 7), weigh=lambda _answer: 7, clock=source.clock)


async def test_a_hundred_who_ask_at_once_make_one_call(cache: Cache[int], source: Source) -> None:
    found = await asyncio.gather(*(cache.get("key", source.load()) for _ in range(100)))

    assert (set(found), source.asked) == ({1}, 1)


async def test_an_answer_is_used_until_it_is_too_old(cache: Cache[int], source: Source) -> None:
    found = []
    for seconds in (0.0, 9.9, 0.2):
        source.now += seconds
        found.append(await cache.get("key", source.load()))

    assert found == [1, 1, 2]


async def test_while_it_fails_an_old_answer_does_for_a_while(cache: Cache[int], source: Source) -> None:
    await cache.get("key", source.load())
    source.fails = True
    source.now += 39
    stale = await cache.get("key", source.load())
    source.now += 2

    with pytest.raises(DownstreamUnavailable):
        await cache.get("key", source.load())
    assert (stale, source.asked) == (1, 3)


async def test_a_failure_is_not_kept(cache: Cache[int], source: Source) -> None:
    source.fails = True
    with pytest.raises(DownstreamUnavailable):
        await cache.get("key", source.load())
    source.fails = False

    assert await cache.get("key", source.load()) == 2


async def test_the_one_that_was_not_asked_for_longest_goes_first(cache: Cache[int], source: Source) -> None:
    for key in ("a", "b", "a", "c", "a", "b"):
        await cache.get(key, source.load())

    assert source.asked == 4
    assert cache.bytes == cache.max_bytes


async def test_what_is_replaced_or_too_large_does_not_count(cache: Cache[int], source: Source) -> None:
    for _ in range(3):
        await cache.get("key", source.load())
        source.now += 11
    assert cache.bytes == BESIDES + 7

    cache.max_bytes = 100
    await cache.get("key", source.load())
    assert cache.bytes == 0


async def test_a_caller_that_leaves_does_not_take_the_call_from_the_others(cache: Cache[int], source: Source) -> None:
    token = begin(Expiry(asyncio.get_running_loop().time() + 0.001))
    first = asyncio.create_task(cache.get("key", source.load()))
    end(token)
    await asyncio.sleep(0)
    second = asyncio.create_task(cache.get("key", source.load()))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second, source.asked) == (1, 1)


async def test_a_downstream_is_asked_once_for_each_path_and_query() -> None:
    script = Script(200)
    one = neighbour(script, cache_seconds=60)
    for path, params in (("a", None), ("a", None), ("b", None), ("a", {"x": "1"}), ("a", {"x": "1"})):
        await one.get_json(path, params=params)

    assert [str(request.url.raw_path, "ascii") for request in script.requests] == ["/api/a", "/api/b", "/api/a?x=1"]


async def test_an_answer_of_no_use_is_not_kept_and_an_old_one_does_instead() -> None:
    answers: list[object] = [{"rate": 1}, {}, {}, {"rate": 2}]
    one = neighbour(lambda _request: httpx.Response(200, json=answers.pop(0)), cache_seconds=0.01)

    def read(found: dict[str, int]) -> int:
        if "rate" not in found:
            raise DownstreamBadResponse("neighbour", "it has no rate.")
        return found["rate"]

    found = []
    for _ in range(4):
        found.append(await one.get("a", read=read))
        await asyncio.sleep(0.02)

    assert found == [1, 1, 1, 2]


async def test_each_caller_gets_an_answer_of_its_own() -> None:
    one = neighbour(lambda _request: httpx.Response(200, json=[1]), cache_seconds=60)
    first = await one.get_json("a")
    first.append(2)

    assert await one.get_json("a") == [1]


async def test_without_the_setting_nothing_is_kept() -> None:
    script = Script(200)
    one = neighbour(script)
    for _ in range(2):
        await one.get_json("a")

    assert len(script.requests) == 2
    assert isinstance(script.requests[0], httpx.Request)

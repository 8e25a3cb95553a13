"""The response cache loads once for all readers, serves stale responses, and works without Valkey."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import pytest

from app.errors import Unavailable
from app.http_caching.response_cache import MAX_LOADS, RETRY_SECONDS, Caching, ResponseCache
from app.valkey.client import open_client
from tests.valkey.server import Valkey, needs_valkey, valkey_server

CACHING = Caching("tried", seconds=10, stale_seconds=100)


class Clock:
    """A clock in seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time that the test has set."""
        return self.now


class Source:
    """The source of cached responses: counts its loads, and can fail or wait."""

    def __init__(self) -> None:
        self.loads = self.most = self.running = 0
        self.fails = False
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def load(self) -> dict[str, int]:
        """Return a response whose content is the number of loads so far."""
        self.loads += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.goes_on.wait()
        finally:
            self.running -= 1
        if self.fails:
            raise Unavailable("The source is away.")
        return {"load": self.loads}


@pytest.fixture
def clock() -> Clock:
    """The clock of the cache under test."""
    return Clock()


@pytest.fixture
def source() -> Source:
    """The source from which the cache under test loads responses."""
    return Source()


@pytest.fixture
def cache(clock: Clock) -> ResponseCache:
    """A response cache in memory, without a shared Valkey server."""
    return ResponseCache(CACHING, valkey=None, prefix="service", clock=clock)


async def settle() -> None:
    """Let the event loop run until the background loads of the cache have ended."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_two_hundred_readers_share_a_single_load(cache: ResponseCache, source: Source) -> None:
    bodies = await asyncio.gather(*(cache.body("a", source.load) for _ in range(200)))

    assert (source.loads, set(bodies)) == (1, {b'{"load":1}'})


async def test_a_reader_that_leaves_does_not_end_the_load(cache: ResponseCache, source: Source) -> None:
    source.goes_on.clear()
    readers = [asyncio.create_task(cache.body("a", source.load)) for _ in range(2)]
    await settle()
    readers[0].cancel()
    source.goes_on.set()

    assert await readers[1] == b'{"load":1}'


async def test_a_fresh_response_is_served_and_a_stale_one_while_the_next_is_loaded(
    cache: ResponseCache, source: Source, clock: Clock
) -> None:
    await cache.body("a", source.load)
    clock.now += 9
    fresh = await cache.body("a", source.load)
    clock.now += 2
    source.goes_on.clear()
    stale = [await cache.body("a", source.load) for _ in range(3)]
    source.goes_on.set()
    await settle()

    assert [fresh, *stale] == [b'{"load":1}'] * 4
    assert await cache.body("a", source.load) == b'{"load":2}'
    assert source.loads == 2


async def test_a_response_that_is_too_old_is_not_served(cache: ResponseCache, source: Source, clock: Clock) -> None:
    await cache.body("a", source.load)
    clock.now += 110

    assert await cache.body("a", source.load) == b'{"load":2}'


async def test_a_load_that_fails_is_tried_once_in_a_pause(cache: ResponseCache, source: Source, clock: Clock) -> None:
    bodies = {await cache.body("a", source.load)}
    clock.now += CACHING.seconds
    source.fails = True
    for number in range(150):
        clock.now += RETRY_SECONDS * (number % 50 == 49)
        bodies.add(await cache.body("a", source.load))
        await settle()

    assert (bodies, source.loads) == ({b'{"load":1}'}, 1 + 4)
    clock.now += CACHING.stale_seconds
    for key in "aab":
        with pytest.raises(Unavailable):
            await cache.body(key, source.load)


async def test_loads_of_many_keys_have_a_bulkhead(cache: ResponseCache, source: Source) -> None:
    await asyncio.gather(*(cache.body(f"key {number}", source.load) for number in range(40)))

    assert (source.loads, source.most <= MAX_LOADS) == (40, True)


async def test_loads_that_hang_end_and_free_their_slots(source: Source) -> None:
    cache = ResponseCache(Caching("tried", 10, 100, load_seconds=0.01), valkey=None, prefix="service")
    source.goes_on.clear()
    async with asyncio.timeout(10):
        hung = await asyncio.gather(
            *(cache.body(f"{key}", source.load) for key in range(MAX_LOADS)), return_exceptions=True
        )
    source.goes_on.set()

    assert [type(outcome) for outcome in hung] == [Unavailable] * MAX_LOADS
    assert await cache.body("0", source.load) == b'{"load":%d}' % (MAX_LOADS + 1)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey server that the test may freeze."""
    with valkey_server() as server:
        yield server


@asynccontextmanager
async def two_processes(server: Valkey, clock: Clock) -> AsyncGenerator[tuple[ResponseCache, ResponseCache]]:
    """Yield two response caches that share a Valkey server, as the caches of two processes do."""
    async with open_client(server.url) as client:
        one, other = (ResponseCache(CACHING, valkey=client, prefix="service", clock=clock) for _ in range(2))
        yield one, other


@needs_valkey
async def test_two_processes_share_a_load(valkey: Valkey, source: Source, clock: Clock) -> None:
    async with two_processes(valkey, clock) as (one, other):
        bodies = [await one.body("a", source.load), await other.body("a", source.load)]

        assert (source.loads, bodies) == (1, [b'{"load":1}'] * 2)
        assert 100_000 < int(valkey.send("PTTL service:response:tried:a").strip(b":\r\n")) <= 110_000


@needs_valkey
async def test_the_age_of_a_shared_response_counts_from_its_load(valkey: Valkey, source: Source, clock: Clock) -> None:
    async with two_processes(valkey, clock) as (one, other):
        await one.body("a", source.load)
        valkey.send("PEXPIRE service:response:tried:a 102000")  # 102 s of 110 s to live: the response is now 8 s old
        await other.body("a", source.load)
        clock.now += 3
        await other.body("a", source.load)
        await asyncio.sleep(0.1)

    assert source.loads == 1  # the second process's own copy was stale, but the response in Valkey was still fresh
    async with two_processes(valkey, clock) as (one, other):
        valkey.send("PEXPIRE service:response:tried:a 99000")  # 99 s of 110 s to live: 11 s old, which is stale
        assert await other.body("a", source.load) == b'{"load":2}'


@needs_valkey
async def test_a_frozen_valkey_is_a_miss_and_costs_one_timeout_for_all_keys(
    valkey: Valkey, source: Source, clock: Clock
) -> None:
    async with two_processes(valkey, clock) as (one, _), asyncio.timeout(5):
        valkey.freeze()
        bodies = await asyncio.gather(*(one.body(f"key {number}", source.load) for number in range(40)))
        again = [await one.body(f"again {number}", source.load) for number in range(40)]

    assert len({*bodies, *again}) == 80
    assert source.most <= MAX_LOADS

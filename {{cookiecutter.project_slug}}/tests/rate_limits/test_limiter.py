"""The limiter counts in the store, merges concurrent requests, and counts in the process while the store is away."""

import asyncio

from app.rate_limits import limiter as module
from app.rate_limits.gcra import Count, LocalCounts, Policy
from app.rate_limits.limiter import Limiter

POLICY = Policy("tried", quota=10, seconds=3600)


class FakeStore:
    """A store in memory that can fail, and that answers once the test sets an event."""

    errors = (ConnectionRefusedError,)

    def __init__(self) -> None:
        self.counts = LocalCounts()
        self.calls: list[int] = []
        self.is_away = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def take(self, key: str, policy: Policy, hits: int) -> Count:
        """Count requests once the test has set the event, or raise ConnectionRefusedError while the store is away."""
        self.calls.append(hits)
        if self.is_away:
            raise ConnectionRefusedError
        await self.answers.wait()
        return self.counts.take(key, policy, hits)


async def allowed(limiter: Limiter, hits: int, key: str = "a") -> int:
    """Pass `hits` concurrent requests to the rate limiter, and return how many are allowed."""
    return sum(counted.allowed for counted in await asyncio.gather(*(limiter.take(key, POLICY) for _ in range(hits))))


async def test_two_limiters_on_a_store_share_the_quota() -> None:
    store = FakeStore()
    first, second = Limiter(store), Limiter(store)

    assert await allowed(first, 7) + await allowed(second, 7) == 10


async def test_hits_that_arrive_together_are_counted_by_one_call() -> None:
    store = FakeStore()
    store.answers.clear()
    # each limiter, as of a separate process, calls the store itself
    hits = [asyncio.create_task(allowed(Limiter(store), 1))]
    limiter = Limiter(store)
    hits += [asyncio.create_task(limiter_take(limiter)) for _ in range(8)]
    await asyncio.sleep(0)
    store.answers.set()

    assert sum(await asyncio.gather(*hits)) == 9
    assert sorted(store.calls) == [1, 8]


async def limiter_take(limiter: Limiter) -> int:
    return (await limiter.take("a", POLICY)).allowed


async def test_a_client_that_floods_does_not_reach_the_store() -> None:
    limiter = Limiter(store := FakeStore())
    assert await allowed(limiter, 20) == 10
    calls = len(store.calls)

    assert await allowed(limiter, 100) == 0
    assert len(store.calls) == calls


async def test_a_policy_that_is_not_shared_does_not_reach_the_store() -> None:
    limiter = Limiter(store := FakeStore())
    alone = Policy("alone", quota=10, seconds=3600, shared=False)

    assert sum([(await limiter.take("a", alone)).allowed for _ in range(20)]) == 10
    assert store.calls == []


async def test_without_the_store_the_process_counts_with_the_whole_quota_and_leaves_the_store_alone() -> None:
    limiter = Limiter(store := FakeStore())
    store.is_away = True

    assert await allowed(limiter, 200) == 10
    assert await allowed(limiter, 200, key="b") == 10
    assert len(store.calls) == 1  # concurrent requests share a store call, which fails for all of them


async def test_hits_without_the_store_count_after_its_return_too() -> None:
    limiter = Limiter(store := FakeStore(), pause_seconds=0)
    store.is_away = True
    assert await allowed(limiter, 8) == 8
    store.is_away = False

    assert await allowed(limiter, 200, key="b") == 10
    assert store.counts.take("b", POLICY).allowed == 0
    assert await allowed(limiter, 1) + await allowed(limiter, 1) == 2
    assert await allowed(limiter, 200) == 0


async def test_a_store_that_does_not_answer_costs_its_callers_one_timeout_together() -> None:
    limiter = Limiter(store := FakeStore())
    store.answers.clear()
    async with asyncio.timeout(10 * module.STORE_SECONDS):
        together = await allowed(limiter, 200)
        later = await allowed(limiter, 200)

    assert (together, later) == (10, 0)


async def test_a_cancelled_hit_leaves_the_others_of_its_batch_to_the_process() -> None:
    limiter = Limiter(store := FakeStore())
    store.answers.clear()
    hits = [asyncio.create_task(limiter.take("a", POLICY)) for _ in range(4)]
    await asyncio.sleep(0)
    hits[0].cancel()  # the request that started the store call for all four
    hits[2].cancel()
    outcomes = await asyncio.gather(*hits, return_exceptions=True)
    store.answers.set()

    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, Count, asyncio.CancelledError, Count]
    assert await allowed(limiter, 200) == 8


async def test_a_hit_that_is_cancelled_while_the_store_counts_lifts_no_limit() -> None:
    limiter = Limiter(store := FakeStore(), timeout_seconds=60)
    store.answers.clear()
    hits = [asyncio.create_task(limiter_take(limiter)) for _ in range(20)]
    await asyncio.sleep(0)
    hits[0].cancel()
    await asyncio.sleep(0)
    store.answers.set()
    outcomes = await asyncio.gather(*hits, return_exceptions=True)

    # the quota is 10, and the store also counted the cancelled request
    assert sum(outcome for outcome in outcomes if isinstance(outcome, int)) == 9
    assert store.counts.take("a", POLICY).allowed == 0

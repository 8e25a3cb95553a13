"""`gather_outcomes` runs coroutines concurrently, and returns the outcome of each."""

import asyncio

import pytest

from app.errors import Conflict, NotFound
from app.work.gather import gather_outcomes


async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def fail(error: Exception) -> float:
    await asyncio.sleep(0.01)
    raise error


async def test_three_coroutines_run_at_the_same_time() -> None:
    """Each coroutine waits until all three have started, so coroutines that run in turn would hang."""
    all_started = asyncio.Barrier(3)

    async def start(number: int) -> int:
        await all_started.wait()
        return number

    async with asyncio.timeout(30):
        found = await gather_outcomes(first=start(1), second=start(2), third=start(3))

    assert [found[name].or_raise() for name in ("first", "second", "third")] == [1, 2, 3]


async def test_an_expected_failure_leaves_the_other_coroutines_alone() -> None:
    found = await gather_outcomes(good=wait(0.02), bad=fail(NotFound("gone")))

    assert (found["good"].or_raise(), found["bad"].or_else(7)) == (0.02, 7)
    with pytest.raises(NotFound, match="gone"):
        found["bad"].or_raise()


async def test_an_unexpected_failure_cancels_the_other_coroutines_and_is_raised() -> None:
    ended = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(ExceptionGroup) as caught:
        await gather_outcomes(slow=slow(), bug=fail(LookupError("a bug")), known=fail(Conflict("known")))

    assert [type(error) for error in caught.value.exceptions] == [LookupError]
    assert ended.is_set()

"""Several things at once: the slowest sets the time, and each has its own outcome."""

import asyncio
import time

import pytest

from app.errors import Conflict, NotFound
from app.fanout import at_once


async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def fail(error: Exception) -> float:
    await asyncio.sleep(0.01)
    raise error


async def test_three_that_take_as_long_take_no_longer_together() -> None:
    started = time.perf_counter()
    found = await at_once(one=wait(0.2), two=wait(0.2), three=wait(0.2))
    took = time.perf_counter() - started

    assert [found[name].or_raise() for name in ("one", "two", "three")] == [0.2] * 3
    assert 0.2 <= took < 0.4


async def test_one_that_fails_as_expected_costs_no_other() -> None:
    found = await at_once(good=wait(0.02), bad=fail(NotFound("gone")))

    assert (found["good"].or_raise(), found["bad"].or_else(7)) == (0.02, 7)
    with pytest.raises(NotFound, match="gone"):
        found["bad"].or_raise()


async def test_a_bug_cancels_the_others_and_is_raised() -> None:
    ended = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(ExceptionGroup) as caught:
        await at_once(slow=slow(), bug=fail(LookupError("a bug")), known=fail(Conflict("known")))

    assert [type(error) for error in caught.value.exceptions] == [LookupError]
    assert ended.is_set()

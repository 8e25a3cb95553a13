"""What is tried again, how often, and when not."""

import asyncio
import time

import pytest

from app.deadline import Expiry, begin, end
from app.downstreams.client import httpx
from app.downstreams.downstream import Downstream
from app.downstreams.retry import asked_pause, pause
from app.errors import DownstreamOverloaded, DownstreamTimedOut, DownstreamUnavailable
from tests.downstreams.neighbours import Script, neighbour


def saved(one: Downstream, calls: int = 100) -> Downstream:
    """Return it after so many calls, so that there is a budget."""
    for _ in range(calls):
        one.retries.earn()
    return one


async def test_a_read_that_fails_is_tried_again_and_says_so() -> None:
    script = Script(503, 500, 200)

    assert await saved(neighbour(script)).get_json("things") == 200
    assert script.all("x-attempt") == ["1", "2", "3"]
    left = [int(value or 0) for value in script.all("x-request-timeout-ms")]
    assert left == sorted(left, reverse=True)
    assert len(set(script.all("traceparent"))) == 3


async def test_no_more_attempts_are_made_than_the_settings_allow() -> None:
    script = Script(503)
    with pytest.raises(DownstreamUnavailable):
        await saved(neighbour(script, attempts=2)).get_json("things")

    assert len(script.requests) == 2


@pytest.mark.parametrize(("key", "attempts"), [(None, 1), ("order-7", 2)])
async def test_a_write_is_tried_again_only_when_a_key_makes_it_the_same_write(key: str | None, attempts: int) -> None:
    script = Script(503)
    with pytest.raises(DownstreamUnavailable):
        await saved(neighbour(script, attempts=2)).send_json("POST", "things", body=1, idempotency_key=key)

    assert script.all("idempotency-key") == [key] * attempts


async def test_nothing_is_tried_again_while_the_process_stops() -> None:
    script = Script(503)
    with pytest.raises(DownstreamUnavailable):
        await saved(neighbour(script, draining=True)).get_json("things")

    assert len(script.requests) == 1


@pytest.mark.parametrize(("share", "least", "most"), [(0.1, 320, 330), (0.5, 440, 450)])
async def test_a_downstream_that_always_fails_gets_a_share_more_calls_at_most(
    share: float, least: int, most: int
) -> None:
    script = Script(503)
    one = neighbour(script, breaker_calls=10_000, retry_share=share)
    for _ in range(300):
        with pytest.raises(DownstreamUnavailable):
            await one.get_json("things")

    assert least < len(script.requests) <= most


@pytest.mark.parametrize(("longest", "requests"), [(3600, 1), (0.001, 3)])
async def test_its_settings_bound_the_pauses(longest: float, requests: int) -> None:
    """Nearly all that an hour bounds are beyond the time of the call, and such a retry is not made."""
    script = Script(503)
    one = saved(neighbour(script, retry_first_seconds=3600, retry_longest_seconds=longest))
    with pytest.raises(DownstreamUnavailable):
        await one.get_json("things")

    assert len(script.requests) == requests


async def test_the_pause_that_it_asks_for_is_kept() -> None:
    script = Script(429, 200, retry_after="1")
    started = time.monotonic()

    assert await saved(neighbour(script)).get_json("things") == 200
    assert time.monotonic() - started >= 1


async def test_a_pause_beyond_the_time_that_is_left_is_not_made() -> None:
    script = Script(503, retry_after="60")
    with pytest.raises(DownstreamUnavailable) as caught:
        await saved(neighbour(script)).get_json("things")

    assert len(script.requests) == 1
    assert caught.value.retry_after_seconds == 60


async def test_all_attempts_together_stay_within_the_time_of_the_request() -> None:
    async def hang(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    one = saved(neighbour(hang, breaker_calls=1))
    started = time.monotonic()
    token = begin(Expiry(asyncio.get_running_loop().time() + 0.1))
    with pytest.raises(DownstreamTimedOut):
        await one.get_json("things")
    end(token)

    assert 0.09 < time.monotonic() - started < 1
    assert (one.gate.in_use, one.breaker.state.value) == (0, "closed")


async def test_a_call_without_time_is_not_made_and_takes_no_probe_of_the_breaker() -> None:
    script = Script(200)
    one = neighbour(script)
    token = begin(Expiry(asyncio.get_running_loop().time() - 1))
    with pytest.raises(DownstreamTimedOut, match="no time left"):
        await one.get_json("things")
    end(token)

    assert (script.requests, one.breaker.refused, one.gate.refused) == ([], 0, 0)


async def test_only_calls_that_are_made_earn_retries() -> None:
    one = neighbour(Script(503), concurrency=1, waiting=0, attempts=1)
    await one.gate.enter()
    for _ in range(100):
        with pytest.raises(DownstreamOverloaded):
            await one.get_json("things")

    assert not one.retries.take()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7),
        ("99999999999", 3600),
        ("-1", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
)
def test_a_retry_after_that_nobody_can_read_counts_as_none(value: str | None, seconds: int | None) -> None:
    assert asked_pause(value) == seconds


def test_the_pauses_grow_and_are_spread_over_all_they_may_be() -> None:
    for failures in range(1, 9):
        most = min(1.0, 0.05 * 2 ** (failures - 1))
        pauses = [pause(failures, 0.05, 1.0) for _ in range(200)]

        assert 0 <= min(pauses) < 0.2 * most
        assert 0.8 * most < max(pauses) <= most

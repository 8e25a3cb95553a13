"""Reads, and writes with an idempotency key, are retried: within the attempts, the retry budget and the deadline."""

import asyncio
import time

import pytest

from app.downstreams import attempts as attempts_module
from app.downstreams.client import httpx
from app.downstreams.downstream import Downstream
from app.downstreams.retry_budget import FLOOR_RETRIES, backoff, retry_after
from app.errors import DownstreamOverloaded, DownstreamTimedOut, DownstreamUnavailable
from app.request.deadline import Expiry, begin, end
from tests.captured_log import captured_log
from tests.downstreams.scripted_downstream import ScriptedResponses, build_downstream


def with_retry_budget(downstream: Downstream, calls: int = 100) -> Downstream:
    """Fill a downstream's retry budget as if `calls` calls had been made, so that retries are allowed."""
    for _ in range(calls):
        downstream.retries.earn()
    return downstream


async def test_a_downstream_with_its_first_call_gets_its_attempts() -> None:
    responses = ScriptedResponses(503, 503, 200)

    assert await build_downstream(responses).get_json("things") == 200
    assert responses.values("x-attempt") == ["1", "2", "3"]


async def test_the_log_says_that_the_retry_budget_is_the_reason_for_no_further_attempt() -> None:
    responses = ScriptedResponses(503)
    downstream = build_downstream(responses)
    while downstream.retries.take():
        pass
    with captured_log(attempts_module) as lines, pytest.raises(DownstreamUnavailable):
        await downstream.get_json("things")

    refusal = {"event": "retry refused by the retry budget", "downstream": "downstream", "attempts": 1}
    assert (len(responses.requests), lines) == (1, [refusal | {"log_level": "warning"}])


async def test_a_failed_read_is_retried_and_each_attempt_carries_its_number() -> None:
    responses = ScriptedResponses(503, 500, 200)

    assert await with_retry_budget(build_downstream(responses)).get_json("things") == 200
    assert responses.values("x-attempt") == ["1", "2", "3"]
    left = [int(value or 0) for value in responses.values("x-request-timeout-ms")]
    assert left == sorted(left, reverse=True)
    assert len(set(responses.values("traceparent"))) == 3


async def test_the_settings_bound_the_attempts() -> None:
    responses = ScriptedResponses(503)
    with pytest.raises(DownstreamUnavailable):
        await with_retry_budget(build_downstream(responses, max_attempts=2)).get_json("things")

    assert len(responses.requests) == 2


@pytest.mark.parametrize(("key", "attempts"), [(None, 1), ("order-7", 2)])
async def test_a_write_is_retried_only_with_an_idempotency_key(key: str | None, attempts: int) -> None:
    responses = ScriptedResponses(503)
    with pytest.raises(DownstreamUnavailable):
        await with_retry_budget(build_downstream(responses, max_attempts=2)).send_json(
            "POST", "things", body=1, idempotency_key=key
        )

    assert responses.values("idempotency-key") == [key] * attempts


async def test_a_draining_process_retries_no_call() -> None:
    responses = ScriptedResponses(503)
    with pytest.raises(DownstreamUnavailable):
        await with_retry_budget(build_downstream(responses, draining=True)).get_json("things")

    assert len(responses.requests) == 1


@pytest.mark.parametrize(("retry_ratio", "least", "most"), [(0.1, 320, 330), (0.5, 440, 450)])
async def test_the_retry_budget_bounds_the_calls_to_a_failing_downstream(
    retry_ratio: float, least: int, most: int
) -> None:
    responses = ScriptedResponses(503)
    downstream = build_downstream(
        responses, breaker_min_calls=10_000, retry_ratio=retry_ratio, retry_max_backoff_seconds=0.001
    )
    for _ in range(300):
        with pytest.raises(DownstreamUnavailable):
            await downstream.get_json("things")

    # the retry budget also grows by a retry every 3 s, of which a slow machine gets more
    assert least < len(responses.requests) <= most + FLOOR_RETRIES + 10


@pytest.mark.parametrize(("max_backoff", "requests"), [(3600, 1), (0.001, 3)])
async def test_the_settings_bound_the_backoff(max_backoff: float, requests: int) -> None:
    """A random backoff of up to an hour almost always exceeds the call's timeout, so there is no retry."""
    responses = ScriptedResponses(503)
    downstream = with_retry_budget(
        build_downstream(responses, retry_first_backoff_seconds=3600, retry_max_backoff_seconds=max_backoff)
    )
    with pytest.raises(DownstreamUnavailable):
        await downstream.get_json("things")

    assert len(responses.requests) == requests


async def test_a_retry_waits_for_the_retry_after_of_the_response() -> None:
    responses = ScriptedResponses(429, 200, retry_after="1")
    started = time.monotonic()

    assert await with_retry_budget(build_downstream(responses)).get_json("things") == 200
    assert time.monotonic() - started >= 1


async def test_a_retry_after_beyond_the_remaining_time_ends_the_call() -> None:
    responses = ScriptedResponses(503, retry_after="60")
    with pytest.raises(DownstreamUnavailable) as caught:
        await with_retry_budget(build_downstream(responses)).get_json("things")

    assert len(responses.requests) == 1
    assert caught.value.retry_after_seconds == 60


async def test_the_deadline_of_the_request_bounds_all_attempts_together() -> None:
    async def hang(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    downstream = with_retry_budget(
        build_downstream(hang, breaker_min_calls=1, timeout_seconds=60, read_timeout_seconds=60)
    )
    started = time.monotonic()
    token = begin(Expiry(asyncio.get_running_loop().time() + 0.1))
    with pytest.raises(DownstreamTimedOut):
        await downstream.get_json("things")
    end(token)

    assert 0.09 < time.monotonic() - started < 30  # without the deadline, the call would take 60 s
    assert (downstream.bulkhead.in_use, downstream.breaker.state.value) == (0, "closed")


async def test_a_call_after_the_deadline_is_not_made_and_takes_no_probe_of_the_breaker() -> None:
    responses = ScriptedResponses(200)
    downstream = build_downstream(responses)
    token = begin(Expiry(asyncio.get_running_loop().time() - 1))
    with pytest.raises(DownstreamTimedOut, match="no time left"):
        await downstream.get_json("things")
    end(token)

    assert (responses.requests, downstream.breaker.refused, downstream.bulkhead.refused) == ([], 0, 0)


async def test_a_refused_call_adds_nothing_to_the_retry_budget() -> None:
    downstream = build_downstream(ScriptedResponses(503), max_concurrent=1, max_queue=0, max_attempts=1)
    await downstream.bulkhead.enter()
    for _ in range(100):
        with pytest.raises(DownstreamOverloaded):
            await downstream.get_json("things")

    assert [downstream.retries.take() for _ in range(FLOOR_RETRIES + 1)] == [True] * FLOOR_RETRIES + [False]


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
def test_a_malformed_retry_after_counts_as_none_and_a_long_retry_after_is_bounded(
    value: str | None, seconds: int | None
) -> None:
    assert retry_after(value) == seconds


def test_the_backoff_is_random_below_an_exponential_bound() -> None:
    for failures in range(1, 9):
        most = min(1.0, 0.05 * 2 ** (failures - 1))
        pauses = [backoff(failures, 0.05, 1.0) for _ in range(200)]

        assert 0 <= min(pauses) < 0.2 * most
        assert 0.8 * most < max(pauses) <= most

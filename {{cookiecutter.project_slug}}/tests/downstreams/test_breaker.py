"""The circuit breaker opens at a ratio of failures, lets a few probes pass later, and closes when they succeed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.downstreams.breaker import Breaker, State
from app.downstreams.client import httpx
from app.errors import DownstreamError, DownstreamRefused, DownstreamUnavailable
from app.settings.bounds import Thresholds
from tests.downstreams.scripted_downstream import ScriptedResponses, build_downstream


class Clock:
    """A clock for the circuit breaker whose time the test sets, so that no test sleeps."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time that the test has set, in seconds."""
        return self.now


def build_breaker(**changes: float) -> tuple[Breaker, Clock]:
    clock = Clock()
    limits: dict[str, float] = {"failure_ratio": 0.5, "min_calls": 4, "window_seconds": 10, "open_seconds": 5} | changes
    return Breaker(Thresholds(**limits), clock), clock  # type: ignore[arg-type] # whole numbers are floats too


def call(breaker: Breaker, *, fails: bool) -> bool:
    """Report a failed or successful call to the breaker, unless it refuses the call; return whether it was allowed."""
    ticket = breaker.enter()
    if ticket is None:
        return False
    (breaker.failed if fails else breaker.succeeded)(ticket)
    return True


def opened_breaker() -> tuple[Breaker, Clock]:
    breaker, clock = build_breaker()
    for _ in range(4):
        call(breaker, fails=True)
    return breaker, clock


def test_the_breaker_opens_on_the_failure_ratio_and_not_on_consecutive_failures() -> None:
    breaker, _ = build_breaker()
    for fails in [False] * 10 + [True] * 9:
        call(breaker, fails=fails)
    before = breaker.state

    call(breaker, fails=True)

    assert (before, breaker.state) == (State.CLOSED, State.OPEN)


def test_fewer_calls_than_the_minimum_do_not_open_the_breaker() -> None:
    breaker, _ = build_breaker()
    for _ in range(3):
        call(breaker, fails=True)

    assert breaker.state is State.CLOSED


def test_failures_before_the_window_do_not_count() -> None:
    breaker, clock = build_breaker()
    for _ in range(3):
        call(breaker, fails=True)
    clock.now += 11.5

    call(breaker, fails=True)

    assert breaker.state is State.CLOSED


def test_an_open_breaker_refuses_every_call_and_later_lets_a_single_probe_pass() -> None:
    breaker, clock = opened_breaker()
    refused = breaker.enter()
    clock.now += 5

    assert (refused, breaker.state) == (None, State.HALF_OPEN)
    assert (breaker.enter() is None, breaker.enter()) == (False, None)
    assert breaker.refused == 2


def test_a_successful_probe_closes_the_breaker_with_an_empty_window() -> None:
    breaker, clock = opened_breaker()
    clock.now += 5
    call(breaker, fails=False)
    for _ in range(3):
        call(breaker, fails=True)

    assert breaker.state is State.CLOSED


def test_a_failed_probe_opens_the_breaker_for_the_whole_time_again() -> None:
    breaker, clock = opened_breaker()
    clock.now += 5
    call(breaker, fails=True)
    clock.now += 4.9

    assert breaker.state is State.OPEN


def test_a_cancelled_probe_makes_room_for_the_next_probe() -> None:
    breaker, clock = opened_breaker()
    clock.now += 5
    ticket = breaker.enter()
    assert ticket is not None
    breaker.left(ticket)

    assert breaker.state is State.HALF_OPEN
    assert breaker.enter() is not None


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "left"])
def test_a_call_from_before_the_opening_has_no_effect_after_it(outcome: str) -> None:
    """A slow call from the closed state ends while a probe runs; it must not count as the probe's outcome."""
    breaker, clock = build_breaker()
    slow = breaker.enter()
    for _ in range(4):
        call(breaker, fails=True)
    clock.now += 5
    probe = breaker.enter()
    assert slow is not None
    assert probe is not None

    getattr(breaker, outcome)(slow)

    assert (breaker.state, breaker.enter()) == (State.HALF_OPEN, None)
    breaker.succeeded(probe)
    assert breaker.state is State.CLOSED


STEPS = st.lists(st.sampled_from(["enter", "succeeded", "failed", "left", "wait"]), max_size=200)


@settings(deadline=None, max_examples=200)
@given(STEPS, st.integers(1, 3))
def test_any_sequence_of_calls_keeps_the_bound_of_probes_and_can_end_closed(steps: list[str], probes: int) -> None:
    breaker, clock = build_breaker(probes=probes)
    in_flight: list[int] = []
    for step in steps:
        if step == "wait":
            clock.now += 2.0
        elif step == "enter":
            ticket = breaker.enter()
            in_flight += [] if ticket is None else [ticket]
        elif in_flight:
            getattr(breaker, step)(in_flight.pop(0))
        assert 0 <= breaker._probing <= probes  # noqa: SLF001 - never more probes than configured
        assert 0 <= breaker.seconds_to_probe() <= 5
    for ticket in in_flight:
        breaker.left(ticket)
    clock.now += 5
    for _ in range(probes):
        assert call(breaker, fails=False)

    assert breaker.state is State.CLOSED


async def test_a_failing_downstream_gets_no_calls_until_a_probe_succeeds() -> None:
    responses = ScriptedResponses(*[500] * 20, 200)
    downstream = build_downstream(responses, breaker_open_seconds=30, max_attempts=1)
    for _ in range(20):
        with pytest.raises(DownstreamUnavailable):
            await downstream.get_json("things")
    with pytest.raises(DownstreamRefused) as refused:
        await downstream.get_json("things")
    calls = len(responses.requests)
    downstream.breaker.thresholds = Thresholds(failure_ratio=0.5, min_calls=20, window_seconds=10, open_seconds=0)

    assert await downstream.get_json("things") == 200
    assert (calls, refused.value.retry_after_seconds, downstream.breaker.state) == (20, 30, State.CLOSED)


@pytest.mark.parametrize("status", [400, 404, 409])
async def test_an_error_of_the_caller_does_not_count_as_a_failure_of_the_downstream(status: int) -> None:
    downstream = build_downstream(lambda _request: httpx.Response(status), breaker_min_calls=1)
    for _ in range(3):
        with pytest.raises(DownstreamError):
            await downstream.get_json("things")

    assert downstream.breaker.state is State.CLOSED

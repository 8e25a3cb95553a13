"""The breaker: each arrow of its diagram, and what holds whatever happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.downstreams.breaker import Breaker, Limits, State
from app.downstreams.client import httpx
from app.errors import DownstreamRefused, DownstreamUnavailable
from tests.downstreams.neighbours import Script, neighbour


class Clock:
    """Time that passes when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        """Tell it."""
        return self.now


def breaker(**changes: float) -> tuple[Breaker, Clock]:
    clock = Clock()
    limits: dict[str, float] = {"share": 0.5, "calls": 4, "window_seconds": 10, "open_seconds": 5} | changes
    return Breaker(Limits(**limits), clock), clock  # type: ignore[arg-type] # whole numbers are floats too


def call(one: Breaker, *, fails: bool) -> bool:
    """Make a call if it passes, and tell whether it did."""
    ticket = one.enter()
    if ticket is None:
        return False
    (one.failed if fails else one.succeeded)(ticket)
    return True


def opened() -> tuple[Breaker, Clock]:
    one, clock = breaker()
    for _ in range(4):
        call(one, fails=True)
    return one, clock


def test_it_opens_on_the_share_and_not_on_failures_in_a_row() -> None:
    one, _ = breaker()
    for fails in [False] * 10 + [True] * 9:
        call(one, fails=fails)
    before = one.state

    call(one, fails=True)

    assert (before, one.state) == (State.CLOSED, State.OPEN)


def test_too_few_calls_say_nothing() -> None:
    one, _ = breaker()
    for _ in range(3):
        call(one, fails=True)

    assert one.state is State.CLOSED


def test_what_is_long_ago_does_not_count() -> None:
    one, clock = breaker()
    for _ in range(3):
        call(one, fails=True)
    clock.now += 11.5

    call(one, fails=True)

    assert one.state is State.CLOSED


def test_while_it_is_open_nothing_passes_and_then_one_probe() -> None:
    one, clock = opened()
    refused = one.enter()
    clock.now += 5

    assert (refused, one.state) == (None, State.HALF_OPEN)
    assert (one.enter() is None, one.enter()) == (False, None)
    assert one.refused == 2


def test_a_probe_that_succeeds_closes_it_and_old_failures_are_forgotten() -> None:
    one, clock = opened()
    clock.now += 5
    call(one, fails=False)
    for _ in range(3):
        call(one, fails=True)

    assert one.state is State.CLOSED


def test_a_probe_that_fails_opens_it_for_the_whole_time_again() -> None:
    one, clock = opened()
    clock.now += 5
    call(one, fails=True)
    clock.now += 4.9

    assert one.state is State.OPEN


def test_a_probe_that_was_given_up_makes_room_for_the_next() -> None:
    one, clock = opened()
    clock.now += 5
    ticket = one.enter()
    assert ticket is not None
    one.left(ticket)

    assert one.state is State.HALF_OPEN
    assert one.enter() is not None


@pytest.mark.parametrize("verdict", ["succeeded", "failed", "left"])
def test_a_call_from_before_it_opened_decides_nothing_later(verdict: str) -> None:
    """It is slow: its verdict comes while a probe is out, whose place it must not take."""
    one, clock = breaker()
    slow = one.enter()
    for _ in range(4):
        call(one, fails=True)
    clock.now += 5
    probe = one.enter()
    assert slow is not None
    assert probe is not None

    getattr(one, verdict)(slow)

    assert (one.state, one.enter()) == (State.HALF_OPEN, None)
    one.succeeded(probe)
    assert one.state is State.CLOSED


STEPS = st.lists(st.sampled_from(["enter", "succeeded", "failed", "left", "wait"]), max_size=200)


@settings(deadline=None, max_examples=200)
@given(STEPS, st.integers(1, 3))
def test_whatever_happens_no_more_probes_are_out_than_allowed_and_it_comes_back(steps: list[str], probes: int) -> None:
    one, clock = breaker(probes=probes)
    flying: list[int] = []
    for step in steps:
        if step == "wait":
            clock.now += 2.0
        elif step == "enter":
            ticket = one.enter()
            flying += [] if ticket is None else [ticket]
        elif flying:
            getattr(one, step)(flying.pop(0))
        assert 0 <= one._probing <= probes  # noqa: SLF001 - the invariant
        assert 0 <= one.seconds_to_probe() <= 5
    for ticket in flying:
        one.left(ticket)
    clock.now += 5
    for _ in range(probes):
        assert call(one, fails=False)

    assert one.state is State.CLOSED


async def test_a_downstream_that_fails_is_left_alone_and_comes_back() -> None:
    script = Script(*[500] * 20, 200)
    one = neighbour(script, breaker_open_seconds=0.1, attempts=1)
    for _ in range(20):
        with pytest.raises(DownstreamUnavailable):
            await one.get_json("things")
    with pytest.raises(DownstreamRefused) as refused:
        await one.get_json("things")
    asked = len(script.requests)
    one.breaker.limits = Limits(share=0.5, calls=20, window_seconds=10, open_seconds=0)

    assert await one.get_json("things") == 200
    assert (asked, refused.value.retry_after_seconds, one.breaker.state) == (20, 1, State.CLOSED)


@pytest.mark.parametrize("status", [400, 404, 409])
async def test_a_fault_of_ours_is_none_of_the_downstreams(status: int) -> None:
    one = neighbour(lambda _request: httpx.Response(status), breaker_calls=1)
    for _ in range(3):
        with pytest.raises(Exception, match="it"):
            await one.get_json("things")

    assert one.breaker.state is State.CLOSED

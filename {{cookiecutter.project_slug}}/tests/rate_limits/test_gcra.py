"""GCRA, the rate limit algorithm, allows a burst and then a steady rate; the counts in a process are bounded."""

import pytest

from app.rate_limits.gcra import SECOND, Count, LocalCounts, Policy, count

POLICY = Policy("tried", quota=4, seconds=2)
INTERVAL = SECOND // 2


class Clock:
    """A clock in microseconds that the test sets."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        """Return the time that the test has set."""
        return self.now


def test_a_burst_of_the_quota_is_allowed_and_no_hit_more() -> None:
    counts = LocalCounts(clock=Clock())

    assert [counts.take("a", POLICY).allowed for _ in range(6)] == [1, 1, 1, 1, 0, 0]


def test_the_quota_comes_back_hit_by_hit_and_not_at_the_edge_of_a_window() -> None:
    counts = LocalCounts(clock=(clock := Clock()))
    counts.take("a", POLICY, 4)
    allowed = []
    for _ in range(8):  # eight intervals of 0.5 s are two windows of 2 s
        clock.now += INTERVAL
        allowed.append(sum(counts.take("a", POLICY).allowed for _ in range(3)))

    assert allowed == [1] * 8


def test_a_refused_hit_costs_nothing_and_says_when_to_come_back() -> None:
    counts = LocalCounts(clock=(clock := Clock()))
    counts.take("a", POLICY, 4)
    clock.now += INTERVAL // 4
    refused = [counts.take("a", POLICY) for _ in range(3)]

    assert {(counted.allowed, counted.wait(POLICY)) for counted in refused} == {(0, 0.375)}
    clock.now += INTERVAL * 3 // 4
    assert counts.take("a", POLICY).allowed == 1


def test_hits_together_are_allowed_in_part() -> None:
    assert count(POLICY, 0, 10) == Count(allowed=4, ahead=4 * INTERVAL)
    assert count(POLICY, INTERVAL + 1, 10) == Count(allowed=2, ahead=3 * INTERVAL + 1)


def test_keys_count_apart() -> None:
    counts = LocalCounts(clock=Clock())
    counts.take("a", POLICY, 4)

    assert counts.take("b", POLICY).allowed == 1


def test_a_clock_that_was_set_back_refuses_for_one_window_at_most() -> None:
    assert count(POLICY, 3600 * SECOND, 1) == Count(allowed=0, ahead=4 * INTERVAL)
    assert count(POLICY, -3600 * SECOND, 1) == Count(allowed=1, ahead=INTERVAL)


def test_the_least_recently_used_key_is_forgotten_first() -> None:
    counts = LocalCounts(max_keys=2, clock=Clock())
    for key in ("a", "b", "a", "c"):  # the key "b" is forgotten, as least recently used
        counts.take(key, POLICY, 2)

    assert [counts.take(key, POLICY).allowed for key in ("a", "c", "b")] == [0, 1, 1]


def test_a_store_that_knows_less_than_this_process_does_not_lower_a_count() -> None:
    counts = LocalCounts(clock=(clock := Clock()))
    counts.take("a", POLICY, 4)
    counts.learn("a", clock.now + INTERVAL)

    assert counts.take("a", POLICY).allowed == 0


@pytest.mark.parametrize("wrong", [("Search", 1, 1), ("", 1, 1), ("a" * 41, 1, 1), ("a", 0, 1), ("a", 3_000_000, 1)])
def test_a_policy_that_is_no_limit_is_refused(wrong: tuple[str, int, float]) -> None:
    with pytest.raises(ValueError, match="no rate limit"):
        Policy(*wrong)

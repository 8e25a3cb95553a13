#!/usr/bin/env bash
# Versions: limits 5.8.0, throttled-py 3.5.0, each with its store in memory. Python 3.11.
#
# Belief: a fixed window of 10 calls in 10 seconds admits up to 20 within 10 seconds, at the edge of two windows. A
# sliding window mends that: SlidingWindowCounterRateLimiter of limits and `sliding_window` of throttled-py admit about
# 10, with a small error.
#
# Observed: both keep one number for each window and take its calls for spread evenly. Ten calls at the end of a window
# are forgotten at the rate of one a second from the start of the next, as if they had been made over ten seconds, so a
# client that asks steadily after its burst gets 19 in 10 seconds: what a fixed window gives for the same calls.
# MovingWindowRateLimiter, which keeps each call, stays at 10. A downstream with a hard quota of 10 needs that, or half
# the limit.
#
# Output:
#   limits FixedWindowRateLimiter: at most 19 in 10 seconds
#   limits SlidingWindowCounterRateLimiter: at most 19 in 10 seconds
#   throttled-py sliding_window: at most 19 in 10 seconds
#   limits MovingWindowRateLimiter: at most 10 in 10 seconds
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/windows.py" <<'PROGRAM'
from collections.abc import Callable
from datetime import timedelta
from unittest.mock import patch

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from throttled import Throttled, rate_limiter
from throttled.store import MemoryStore

LIMIT, PERIOD, START = 10, 10, 1_800_000_000
# one call opens the window, a burst comes at its end, then a call each tenth of a second
CALLS = [START, *[START + 9.9] * 30, *[START + 10.1 + number / 10 for number in range(150)]]


def of_limits(kind: type[RateLimiter]) -> Callable[[], bool]:
    limiter = kind(MemoryStorage())
    return lambda: limiter.hit(RateLimitItemPerSecond(LIMIT, PERIOD), "client")


def of_throttled() -> Callable[[], bool]:
    quota = rate_limiter.per_duration(timedelta(seconds=PERIOD), LIMIT)
    limiter = Throttled(using="sliding_window", quota=quota, store=MemoryStore())
    return lambda: not limiter.limit("client").limited


def most(make: Callable[[], Callable[[], bool]]) -> int:
    now = float(START)
    clock = {"time.time": lambda: now, "time.time_ns": lambda: int(now * 1e9), "time.monotonic": lambda: now}
    admitted = []
    with patch("time.time", clock["time.time"]), patch("time.time_ns", clock["time.time_ns"]):
        with patch("time.monotonic", clock["time.monotonic"]):
            admit = make()
            for now in CALLS:
                if admit():
                    admitted.append(now)
    return max(sum(start <= call < start + PERIOD - 0.001 for call in admitted) for start in admitted)


def say(name: str, make: Callable[[], Callable[[], bool]]) -> None:
    print(f"{name}: at most {most(make)} in {PERIOD} seconds")


say("limits FixedWindowRateLimiter", lambda: of_limits(FixedWindowRateLimiter))
say("limits SlidingWindowCounterRateLimiter", lambda: of_limits(SlidingWindowCounterRateLimiter))
say("throttled-py sliding_window", of_throttled)
say("limits MovingWindowRateLimiter", lambda: of_limits(MovingWindowRateLimiter))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check limits==5.8.0 throttled-py==3.5.0
found=$("$folder/venv/bin/python" "$folder/windows.py")
echo "$found"
[[ $found == $'limits FixedWindowRateLimiter: at most 19 in 10 seconds
limits SlidingWindowCounterRateLimiter: at most 19 in 10 seconds
throttled-py sliding_window: at most 19 in 10 seconds
limits MovingWindowRateLimiter: at most 10 in 10 seconds' ]]

#!/usr/bin/env bash
# Versions: circuitbreaker 2.1.3. Python 3.11.
#
# Belief: `@circuit(failure_threshold=3)` on a coroutine opens when its downstream hangs and each call is cut off by
# `asyncio.timeout`. When the breaker is half open, one trial call decides.
#
# Observed: the deadline of the caller reaches the function as CancelledError, which is no Exception, and the breaker
# takes each end that is not a failure for a success. A downstream that hangs never opens it; one call that is cut off
# sets the count of real failures back to zero; and a trial call that hangs closes the breaker. While it is half open
# all callers go through, not one. The deadline has to stand inside the decorated function.
#
# Output:
#   deadline outside: 100 calls that hang, 100 reach the downstream, closed, 0 failures
#   deadline inside: 100 calls that hang, 3 reach the downstream, open, 3 failures
#   2 errors, then a call that hangs: 0 failures
#   half open, then a call that hangs: closed
#   half open, 100 callers at once: 100 reach the downstream
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/breakers.py" <<'PROGRAM'
import asyncio
from contextlib import suppress

from circuitbreaker import CircuitBreaker, CircuitBreakerError


class Downstream:
    def __init__(self, recovery: float = 3600) -> None:
        self.breaker = CircuitBreaker(failure_threshold=3, recovery_timeout=recovery)
        self.reached = 0
        self.call = self.breaker(self._call)
        self.call_with_deadline = self.breaker(self._call_with_deadline)

    async def _call(self, answer: str) -> None:
        self.reached += 1
        if answer == "error":
            raise ConnectionError
        await asyncio.sleep(60 if answer == "hang" else 0.01)

    async def _call_with_deadline(self) -> None:
        async with asyncio.timeout(0.002):
            await self._call("hang")

    async def hang(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.002):
                await self.call("hang")

    async def errors(self, count: int) -> None:
        for _ in range(count):
            with suppress(ConnectionError):
                await self.call("error")

    def state(self) -> str:
        return f"{self.breaker.state}, {self.breaker.failure_count} failures"


async def main() -> None:
    outside = Downstream()
    for _ in range(100):
        await outside.hang()
    print(f"deadline outside: 100 calls that hang, {outside.reached} reach the downstream, {outside.state()}")

    inside = Downstream()
    for _ in range(100):
        with suppress(TimeoutError, CircuitBreakerError):
            await inside.call_with_deadline()
    print(f"deadline inside: 100 calls that hang, {inside.reached} reach the downstream, {inside.state()}")

    mixed = Downstream()
    await mixed.errors(2)
    await mixed.hang()
    print(f"2 errors, then a call that hangs: {mixed.breaker.failure_count} failures")

    for trial in ("hang", "many"):
        half_open = Downstream(recovery=0.01)
        await half_open.errors(3)
        await asyncio.sleep(0.05)
        assert half_open.breaker.state == "half_open"
        if trial == "hang":
            await half_open.hang()
            print(f"half open, then a call that hangs: {half_open.breaker.state}")
            continue
        half_open.reached = 0
        await asyncio.gather(*[half_open.call("slow answer") for _ in range(100)])
        print(f"half open, 100 callers at once: {half_open.reached} reach the downstream")


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check circuitbreaker==2.1.3
found=$("$folder/venv/bin/python" "$folder/breakers.py")
echo "$found"
[[ $found == $'deadline outside: 100 calls that hang, 100 reach the downstream, closed, 0 failures
deadline inside: 100 calls that hang, 3 reach the downstream, open, 3 failures
2 errors, then a call that hangs: 0 failures
half open, then a call that hangs: closed
half open, 100 callers at once: 100 reach the downstream' ]]

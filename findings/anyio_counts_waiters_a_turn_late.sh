#!/usr/bin/env bash
# Versions: anyio 4.16.0. Python 3.11.
#
# Belief: `limiter.statistics().tasks_waiting` bounds a queue in front of threads: who finds ten waiting is refused, and
# nothing runs between that check and `to_thread.run_sync(..., limiter=limiter)`, as there is no `await` in between.
#
# Observed: `run_sync` yields to the event loop once before it asks the limiter, so a caller is counted one turn after
# its check. Callers that arrive in the same turn, as the requests of a burst do, all see an empty queue: of 300 callers
# with a bound of ten, none is refused. A counter of one's own, raised before the call, refuses all but the bound.
#
# Output:
#   statistics: 300 ran, 0 refused
#   own counter: 12 ran, 288 refused
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/waiters.py" <<'PROGRAM'
import asyncio
import time

from anyio import CapacityLimiter, to_thread

THREADS, QUEUE = 2, 10
calls = 0


async def by_statistics(limiter: CapacityLimiter) -> bool:
    if limiter.statistics().tasks_waiting >= QUEUE:
        return False
    await to_thread.run_sync(time.sleep, 0.005, limiter=limiter)
    return True


async def by_counter(limiter: CapacityLimiter) -> bool:
    global calls
    if calls >= THREADS + QUEUE:
        return False
    calls += 1
    await to_thread.run_sync(time.sleep, 0.005, limiter=limiter)
    calls -= 1
    return True


async def main() -> None:
    for name, call in {"statistics": by_statistics, "own counter": by_counter}.items():
        limiter = CapacityLimiter(THREADS)
        ran = sum(await asyncio.gather(*(call(limiter) for _ in range(300))))
        print(f"{name}: {ran} ran, {300 - ran} refused")


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check anyio==4.16.0
found=$("$folder/venv/bin/python" "$folder/waiters.py")
echo "$found"
[[ $found == $'statistics: 300 ran, 0 refused\nown counter: 12 ran, 288 refused' ]]

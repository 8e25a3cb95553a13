#!/usr/bin/env bash
# Versions: limits 5.8.0. Python 3.11.
#
# Belief: the MemoryStorage of limits forgets a client when its window has passed, and costs what the calls cost. The
# one in `limits.aio` is the same for asyncio.
#
# Observed: with MovingWindowRateLimiter the plain store clears the calls of each client and keeps its name with an
# empty list for ever: the memory of the process grows with each new client address, and hits start walks through all
# of them in a thread. The asyncio store forgets them, but a walk makes one call of `asyncio.to_thread` for each known
# client, 5,000 after one hit here, in the pool of threads that also resolves names. A fixed window forgets, and needs
# no thread.
#
# Output:
#   MemoryStorage, fixed window: 1 of 20001 clients kept after their window
#   MemoryStorage, moving window: 20001 of 20001 clients kept after their window
#   limits.aio MemoryStorage, fixed window: 0 calls of to_thread for one hit
#   limits.aio MemoryStorage, moving window: 5000 calls of to_thread for one hit
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/stores.py" <<'PROGRAM'
import asyncio
import time
from unittest.mock import patch

from limits import RateLimitItemPerHour, RateLimitItemPerSecond, aio, storage, strategies

A_SECOND, AN_HOUR = RateLimitItemPerSecond(10), RateLimitItemPerHour(10)


def kept(name: str) -> None:
    store = storage.MemoryStorage()
    limiter = getattr(strategies, name)(store)
    for client in range(20_000):
        limiter.hit(A_SECOND, str(client))
    time.sleep(1.5)
    limiter.hit(A_SECOND, "one more")  # starts the walk that clears the store
    store.timer.join()
    print(f"{len(store.storage) or len(store.events)} of 20001 clients kept after their window")


async def calls(name: str) -> None:
    store = aio.storage.MemoryStorage()
    limiter = getattr(aio.strategies, name)(store)
    for client in range(5_000):
        await limiter.hit(AN_HOUR, str(client))
    await store.timer
    with patch("asyncio.to_thread", wraps=asyncio.to_thread) as to_thread:
        await limiter.hit(AN_HOUR, "0")
        await store.timer
    print(f"{to_thread.call_count} calls of to_thread for one hit")


for say, name in (("fixed", "FixedWindowRateLimiter"), ("moving", "MovingWindowRateLimiter")):
    print(f"MemoryStorage, {say} window: ", end="")
    kept(name)
for say, name in (("fixed", "FixedWindowRateLimiter"), ("moving", "MovingWindowRateLimiter")):
    print(f"limits.aio MemoryStorage, {say} window: ", end="")
    asyncio.run(calls(name))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check limits==5.8.0
found=$("$folder/venv/bin/python" "$folder/stores.py")
echo "$found"
[[ $found == $'MemoryStorage, fixed window: 1 of 20001 clients kept after their window
MemoryStorage, moving window: 20001 of 20001 clients kept after their window
limits.aio MemoryStorage, fixed window: 0 calls of to_thread for one hit
limits.aio MemoryStorage, moving window: 5000 calls of to_thread for one hit' ]]

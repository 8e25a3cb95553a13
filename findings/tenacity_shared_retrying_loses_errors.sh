#!/usr/bin/env bash
# Versions: tenacity 9.2.1. Python 3.11.
#
# Belief: an AsyncRetrying holds the rules (how often, how long, for which errors), so one in a module serves all
# requests: `async for attempt in RETRIES: with attempt: ...`. The count of the attempts belongs to the loop. After the
# last attempt the loop raises, so nothing that has failed gets past it.
#
# Observed: the state of the loop is on the object: `async for` begins by replacing it, for all tasks. A request that
# fails while another one has begun meanwhile reads the outcome of the other: its loop ends without an error, after one
# attempt of three, and what follows runs as if the order had been stored. `async for attempt in RETRIES.copy()` and the
# decorator `@retry` have a state for each call; so does `for attempt in Retrying(...)` for threads.
#
# Output:
#   a copy each: A: ConnectionError after 3 attempts; B: stored after 1 attempt
#   one object: A: no error, not stored after 1 attempt; B: stored after 1 attempt
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/orders.py" <<'PROGRAM'
import asyncio

from tenacity import AsyncRetrying, stop_after_attempt, wait_fixed

RETRIES = AsyncRetrying(stop=stop_after_attempt(3), wait=wait_fixed(0.1), reraise=True)


async def store(name: str, retries: AsyncRetrying, seconds: float, *, fails: bool = False) -> str:
    attempts, end = 0, "no error, not stored"
    try:
        async for attempt in retries:
            with attempt:
                attempts += 1
                await asyncio.sleep(seconds)
                if fails:
                    raise ConnectionError
                end = "stored"
    except ConnectionError as error:
        end = type(error).__name__
    return f"{name}: {end} after {attempts} attempt{'s' * (attempts > 1)}"


async def two(title: str, first: AsyncRetrying, second: AsyncRetrying) -> None:
    async with asyncio.TaskGroup() as group:
        a = group.create_task(store("A", first, 0.2, fails=True))
        b = group.create_task(store("B", second, 0.1))
    print(f"{title}: {a.result()}; {b.result()}")


async def main() -> None:
    await two("a copy each", RETRIES.copy(), RETRIES.copy())
    await two("one object", RETRIES, RETRIES)


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tenacity==9.2.1
found=$("$folder/venv/bin/python" "$folder/orders.py")
echo "$found"
[[ $found == $'a copy each: A: ConnectionError after 3 attempts; B: stored after 1 attempt
one object: A: no error, not stored after 1 attempt; B: stored after 1 attempt' ]]

#!/usr/bin/env bash
# Versions: aiolimiter 1.3.0. Python 3.11.
#
# Belief: AsyncLimiter has a queue: who waits longest is next. A batch that asks for `acquire(5)` of 10 in a second
# waits about half a second, in front of those who come later.
#
# Observed: those who wait are sorted by the amount, the smallest first, and a newcomer whose amount fits does not wait
# at all. As long as others ask for 1 and use the whole rate, a waiting `acquire(5)` gets nothing, though it came first:
# the room for 5 never comes together. In a service that counts tokens or bytes, the large requests wait until the load
# ends, while the average looks well. Acquire large amounts in a loop of small ones.
#
# Output:
#   others ask for 1 during 4 s; acquire(1), asked before them: served while they ask
#   others ask for 1 during 4 s; acquire(5), asked before them: served after the last of them
#   others ask for 1 during 4 s; five times acquire(1), asked before them: served while they ask
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/limits.py" <<'PROGRAM'
import asyncio
from collections.abc import Sequence

from aiolimiter import AsyncLimiter


async def first_in_line(title: str, amounts: Sequence[int]) -> str:
    limiter, loop = AsyncLimiter(10, time_period=1), asyncio.get_running_loop()
    await limiter.acquire(10)
    end = loop.time() + 4

    async def batch() -> float:
        for amount in amounts:
            await limiter.acquire(amount)
        return loop.time()

    async def others() -> float:
        while loop.time() < end:
            await limiter.acquire(1)
        return loop.time()

    async with asyncio.TaskGroup() as group:
        served = group.create_task(batch())
        await asyncio.sleep(0)  # the batch waits now
        last = [group.create_task(others()) for _ in range(2)]
    after = served.result() > max(task.result() for task in last)
    said = "after the last of them" if after else "while they ask"
    return f"others ask for 1 during 4 s; {title}, asked before them: served {said}"


async def main() -> None:
    cases = {"acquire(1)": [1], "acquire(5)": [5], "five times acquire(1)": [1] * 5}
    for line in await asyncio.gather(*[first_in_line(title, amounts) for title, amounts in cases.items()]):
        print(line)


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check aiolimiter==1.3.0
found=$("$folder/venv/bin/python" "$folder/limits.py")
echo "$found"
[[ $found == 'others ask for 1 during 4 s; acquire(1), asked before them: served while they ask
others ask for 1 during 4 s; acquire(5), asked before them: served after the last of them
others ask for 1 during 4 s; five times acquire(1), asked before them: served while they ask' ]]

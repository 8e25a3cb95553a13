#!/usr/bin/env bash
# Versions: cashews 7.6.0. Python 3.11.
#
# Belief: callers that ask `@cache(ttl="1m")` for the same key at the same time wait for one call of the function
# (`protected=True`, the default). A caller with a deadline of its own that gives up gets its TimeoutError, and the
# others go on waiting.
#
# Observed: all callers await the task of the call itself, so the deadline of any of them, the first or the last,
# cancels the call, and each of the others gets a CancelledError that nobody has asked for. It passes `except
# Exception`; a TaskGroup takes such a task for one that was cancelled on purpose and ends without an error and without
# its result. The value is not kept either: the next caller begins again. With `protected=False` each caller has a call
# of its own.
#
# Output:
#   protected: first TimeoutError, second CancelledError, third CancelledError
#   protected, the last gives up: first CancelledError, second CancelledError, third TimeoutError
#   protected, in a TaskGroup: no error, results of 0 of 2 callers without a deadline
#   protected=False: first TimeoutError, second report, third report
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/callers.py" <<'PROGRAM'
import asyncio
from collections.abc import Awaitable, Callable

from cashews import Cache

cache = Cache()
cache.setup("mem://")


async def report(key: str) -> str:
    await asyncio.sleep(0.6)
    return "report"


protected = cache(ttl="1m", key="protected:{key}")(report)
unprotected = cache(ttl="1m", key="unprotected:{key}", protected=False)(report)
Read = Callable[[str], Awaitable[str]]


async def hasty(read: Read, key: str) -> str:
    async with asyncio.timeout(0.2):
        return await read(key)


async def three(read: Read, key: str, *, hasty_one: int) -> str:
    calls = [hasty(read, key) if number == hasty_one else read(key) for number in range(3)]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    said = [end if isinstance(end, str) else type(end).__name__ for end in ends]
    return "first {}, second {}, third {}".format(*said)


async def group() -> str:
    results = []

    async def add() -> None:
        results.append(await protected("group"))

    async def try_to_add() -> None:
        try:
            results.append(await hasty(protected, "group"))
        except TimeoutError:
            pass

    async with asyncio.TaskGroup() as tasks:
        for function in add, try_to_add, add:
            tasks.create_task(function())
    return f"no error, results of {len(results)} of 2 callers without a deadline"


async def main() -> None:
    print("protected:", await three(protected, "a", hasty_one=0))
    print("protected, the last gives up:", await three(protected, "b", hasty_one=2))
    print("protected, in a TaskGroup:", await group())
    print("protected=False:", await three(unprotected, "c", hasty_one=0))


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check cashews==7.6.0
found=$("$folder/venv/bin/python" "$folder/callers.py")
echo "$found"
[[ $found == 'protected: first TimeoutError, second CancelledError, third CancelledError
protected, the last gives up: first CancelledError, second CancelledError, third TimeoutError
protected, in a TaskGroup: no error, results of 0 of 2 callers without a deadline
protected=False: first TimeoutError, second report, third report' ]]

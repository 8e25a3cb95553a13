#!/usr/bin/env bash
# Versions: anyio 4.16.0. Python 3.11.
#
# Belief: `anyio.functools.lru_cache(maxsize=128)` is functools.lru_cache for coroutines. A call that raises leaves
# nothing behind, and the next 128 values are kept.
#
# Observed: each call that raises counts as one more entry and is never counted back. After `maxsize` errors, be they
# months apart, the cache believes that it is full: each new value removes an old one, so it keeps as many values as it
# had at that time. A cache that saw 128 errors of one key at the start keeps a single value until the process ends;
# there is no error, and `cache_info()` says that it is full. The same key that fails for two callers at once can give
# the second a KeyError of the cache in place of the error of the function.
#
# Output:
#   no error before: 10 calls of the function for 100 reads of 10 keys, AsyncCacheInfo currsize 10
#   128 errors before: 100 calls of the function for 100 reads of 10 keys, AsyncCacheInfo currsize 128
#   two callers of a key that fails, while others fill a cache of 2: ConnectionError, KeyError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/caches.py" <<'PROGRAM'
import asyncio
from contextlib import suppress

from anyio.functools import lru_cache


async def reads_after(errors: int) -> None:
    calls = 0
    downstream_is_up = False

    @lru_cache(maxsize=128)
    async def read(key: int) -> int:
        nonlocal calls
        if not downstream_is_up:
            raise ConnectionError
        calls += 1
        return key

    for _ in range(errors):
        with suppress(ConnectionError):
            await read(0)
    downstream_is_up = True
    for _ in range(10):
        for key in range(10):
            await read(key)
    said = f"{errors} errors before" if errors else "no error before"
    size = read.cache_info().currsize
    print(f"{said}: {calls} calls of the function for 100 reads of 10 keys, AsyncCacheInfo currsize {size}")


async def two_callers() -> None:
    others_have_filled_the_cache = asyncio.Event()

    @lru_cache(maxsize=2)
    async def read(key: str) -> str:
        if key == "fails":
            await others_have_filled_the_cache.wait()
            raise ConnectionError
        return key

    callers = [asyncio.create_task(read("fails")) for _ in range(2)]
    await asyncio.sleep(0)
    for key in "abc":
        await read(key)
    others_have_filled_the_cache.set()
    errors = await asyncio.gather(*callers, return_exceptions=True)
    names = ", ".join(type(error).__name__ for error in errors)
    print(f"two callers of a key that fails, while others fill a cache of 2: {names}")


async def main() -> None:
    await reads_after(errors=0)
    await reads_after(errors=128)
    await two_callers()


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check anyio==4.16.0
found=$("$folder/venv/bin/python" "$folder/caches.py")
echo "$found"
[[ $found == $'no error before: 10 calls of the function for 100 reads of 10 keys, AsyncCacheInfo currsize 10
128 errors before: 100 calls of the function for 100 reads of 10 keys, AsyncCacheInfo currsize 128
two callers of a key that fails, while others fill a cache of 2: ConnectionError, KeyError' ]]

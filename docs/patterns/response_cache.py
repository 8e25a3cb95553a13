"""A cache of expensive responses: one load for all readers, stale responses at once, and entries per principal."""

import asyncio

from app.http_caching.response_cache import Caching, ResponseCache

cache = ResponseCache(Caching("report", seconds=0.2, stale_seconds=60), valkey=None, prefix="example")
loads: list[str] = []


async def read(principal: str) -> bytes:
    async def load() -> str:
        await asyncio.sleep(0.01)
        loads.append(principal)
        return f"report {loads.count(principal)} of {principal}"

    return await cache.body(f"{principal} /report", load)


async def main() -> None:
    assert set(await asyncio.gather(*(read("Ada") for _ in range(200)))) == {b'"report 1 of Ada"'}
    assert await read("Eve") == b'"report 1 of Eve"'
    await asyncio.sleep(0.3)
    assert await read("Ada") == b'"report 1 of Ada"'  # the stale response; a load begins in the background
    await asyncio.sleep(0.1)
    assert await read("Ada") == b'"report 2 of Ada"'
    assert loads == ["Ada", "Eve", "Ada"], loads


asyncio.run(main())

"""Blocking work off the event loop: a call that waits runs in a thread, and the event loop goes on meanwhile."""

import asyncio
import time

from app.work.offload import Offload


async def ticks(while_running: asyncio.Task[object]) -> int:
    count = 0
    while not while_running.done():
        await asyncio.sleep(0.01)
        count += 1
    return count


async def main() -> None:
    offload = Offload(threads=1)
    waiting = asyncio.create_task(offload.blocking(time.sleep, 0.5))
    assert await ticks(waiting) > 5


asyncio.run(main())

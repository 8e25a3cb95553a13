"""A bulkhead: two callers run, one waits in the queue, and a further caller is refused at once; the queue is FIFO."""

import asyncio

from app.errors import Unavailable
from app.limits.bulkhead import Bulkhead

bulkhead = Bulkhead(max_concurrent=2, max_queue=1, queue_timeout_seconds=5, refusal="Too busy.")
order: list[str] = []


async def call(name: str) -> None:
    try:
        await bulkhead.enter()
    except Unavailable:
        order.append(f"{name} refused")
        return
    await asyncio.sleep(0.05)
    order.append(name)
    bulkhead.leave()


async def main() -> None:
    await asyncio.gather(*(call(name) for name in "abcd"))

    assert order == ["d refused", "a", "b", "c"], order


asyncio.run(main())

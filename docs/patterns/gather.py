"""Concurrent calls: the expected failure of a call cancels no other call, and the caller decides about each result."""

import asyncio

from app.errors import Unavailable
from app.work.gather import gather_outcomes


async def count() -> int:
    await asyncio.sleep(0.01)
    return 7


async def rate() -> float:
    raise Unavailable("The rates cannot be reached.")


async def main() -> None:
    found = await gather_outcomes(count=count(), rate=rate())

    assert found["count"].or_raise() == 7
    assert found["rate"].or_else(None) is None


asyncio.run(main())

"""Tests that find blocking calls: however short the call, and even if the handler swallows the error, a test fails."""

import asyncio
import time
from contextlib import suppress

import pytest
from tests.blocking import BlockedLoop, blocking_checks


async def handler() -> None:
    with suppress(Exception):
        time.sleep(0.001)  # the mistake: a blocking call in an async handler


async def main() -> None:
    with blocking_checks("__main__"):
        await asyncio.create_task(handler())


with pytest.raises(BlockedLoop, match=r"Blocking call to time\.sleep:\nexample\.py:\d+ handler\n"):
    asyncio.run(main())

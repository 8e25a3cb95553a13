"""Functions for async tests: wait for a condition, and cancel a task."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true; after 90 seconds, more than a busy machine needs, the test fails."""
    async with asyncio.timeout(90):
        while not condition():  # noqa: ASYNC110 - polls: threads and processes cannot set an asyncio.Event
            await asyncio.sleep(0.01)


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

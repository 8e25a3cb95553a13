"""Waiting for what happens elsewhere, and ending a task."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest


async def until(fact: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110 - threads and processes set no event of this loop
            await asyncio.sleep(0.01)


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

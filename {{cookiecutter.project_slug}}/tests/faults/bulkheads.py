"""Waits until a service's bulkheads are empty: a request that has ended must release every bulkhead."""

import asyncio
from time import time

from prometheus_client.samples import Sample

from tests.scrape import scraped, total

PATIENCE_SECONDS = 30
"""How long to wait for empty bulkheads, in seconds: ten times the time that the last requests in progress need."""


async def sampled(management: str) -> list[Sample]:
    """Return the metrics from a management port, once each worker has sampled its load after this call."""
    since, oldest = time(), 0.0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while oldest < since:
            await asyncio.sleep(0.05)
            found = await asyncio.to_thread(scraped, management)
            oldest = min(one.value for one in found if one.name == "app_process_sampled_timestamp_seconds")
    return found


async def until_idle(management: str) -> None:
    """Wait until the metrics of a management port count no request in or waiting for a bulkhead.

    Raises:
        TimeoutError: a bulkhead still counts a request, although all requests have ended.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        while is_busy(await sampled(management)):
            pass


def is_busy(found: list[Sample]) -> bool:
    return bool(total(found, "app_bulkhead_in_use") + total(found, "app_bulkhead_waiting"))

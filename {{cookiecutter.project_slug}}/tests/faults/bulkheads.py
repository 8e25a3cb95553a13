"""Wait until the bulkheads of a service are empty: a request that has ended must release every bulkhead."""

import asyncio
from time import time

from tests.http_client import httpx
from tests.observability.scrape import parsed

PATIENCE_SECONDS = 30
"""The timeout of waiting for empty bulkheads, in seconds: ten times what the last requests in progress need to end."""


async def until_idle(management: str) -> None:
    """Wait until the metrics at this URL count no request in a bulkhead and no request in the queue of a bulkhead.

    Raises:
        TimeoutError: a bulkhead still counts a request, although all requests have ended.
    """
    now = time()
    async with httpx.AsyncClient(base_url=management) as client, asyncio.timeout(PATIENCE_SECONDS):
        while await _busy(client, now):  # noqa: ASYNC110 - no asyncio.Event from another process
            await asyncio.sleep(0.05)


async def _busy(client: httpx.AsyncClient, since: float) -> bool:
    found = parsed((await client.get("/metrics")).text)
    sampled = found.value("app_sampled_timestamp_seconds") > since
    return not sampled or bool(found.total("app_bulkhead_in_use") + found.total("app_bulkhead_waiting"))

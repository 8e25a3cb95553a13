"""Wait until the bulkheads of a service are empty: a request that has ended must release every bulkhead."""

import asyncio

from tests.http_client import httpx

PATIENCE_SECONDS = 30
"""The timeout of waiting for empty bulkheads, in seconds: ten times what the last requests in progress need to end."""


async def until_idle(url: str) -> None:
    """Wait until verbose readiness reports no request in a bulkhead and no request in the queue of a bulkhead.

    Raises:
        TimeoutError: a bulkhead still counts a request, although all requests have ended.
    """
    async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(PATIENCE_SECONDS):
        while await _busy(client):  # noqa: ASYNC110 - no asyncio.Event from another process
            await asyncio.sleep(0.05)


async def _busy(client: httpx.AsyncClient) -> bool:
    bulkheads = (await client.get("/health/ready?verbose")).json()["bulkheads"]
    assert bulkheads
    del bulkheads["/health/ready"]  # the bulkhead that this probe is in
    return any(bulkhead["in_use"] or bulkhead["queued"] for bulkhead in bulkheads.values())

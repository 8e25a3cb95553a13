"""Functions for tests of products: add a product, and fill the bulkheads of threads and worker processes."""

from typing import Any

from fastapi import FastAPI

from app.limits.bulkhead import Bulkhead
from app.resources import Resources
from tests.http_client import httpx

PRODUCT: dict[str, Any] = {"name": "Tea", "currency": "USD", "price": "4.50"}


async def add(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - Any, as product fields have several types
    """Add a product over HTTP, with some fields changed, and return the JSON of the response."""
    answer = await client.post("/api/v1/products", json=PRODUCT | changes)
    assert answer.status_code == 201, answer.text
    product: dict[str, Any] = answer.json()
    return product


def bulkhead_of(app: FastAPI, name: str) -> Bulkhead:
    """Return a bulkhead of offloaded work by its name, for threads or for worker processes."""
    resources: Resources = app.state.resources
    return {"threads": resources.offload.threads, "processes": resources.processes.bulkhead}[name]


async def fill(bulkhead: Bulkhead) -> None:
    """Enter a bulkhead `max_concurrent` times, so that the next caller has to queue."""
    for _ in range(bulkhead.max_concurrent):
        await bulkhead.enter()

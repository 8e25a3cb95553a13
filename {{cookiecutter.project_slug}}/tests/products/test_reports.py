"""The export and the price estimate are right, and a request that queues for either holds no database connection."""

import asyncio
import gzip
import json
from decimal import Decimal

import pytest
from fastapi import FastAPI
from sqlalchemy import Pool

from app.products.interval import Estimate, estimate
from tests.http_client import httpx
from tests.products.conftest import add, bulkhead_of, fill
from tests.tasks import until

EXPORT, VALUE = "/api/v1/products.jsonl.gz", "/api/v1/price-estimate?currency=USD"
BOTH = pytest.mark.parametrize(("path", "name"), [(EXPORT, "threads"), (VALUE, "processes")])


def unpack(file: bytes) -> list[object]:
    return [json.loads(line) for line in gzip.decompress(file).splitlines()]


async def test_an_export_has_all_products(client: httpx.AsyncClient) -> None:
    added = [await add(client, name=name, price=price) for name, price in (("=1+1", "4.5"), ("Zoë\n", "1"))]

    export = await client.get(EXPORT)

    assert export.headers["content-type"] == "application/gzip"
    assert unpack(export.content) == added[::-1]


async def test_an_export_continues_after_the_last_product_of_the_export_before(client: httpx.AsyncClient) -> None:
    first, second, _third = [await add(client) for _ in range(3)]

    export = await client.get(f"{EXPORT}?after={second['id']}")

    assert unpack(export.content) == [first]


async def test_the_mean_price_is_that_of_the_products_in_the_currency(client: httpx.AsyncClient) -> None:
    for currency, price in (("USD", "9.10"), ("USD", "9.10"), ("EUR", "1.00")):
        await add(client, currency=currency, price=price)

    answer = await client.get(VALUE)

    assert answer.json() == {"currency": "USD", "products": 2, "mean": "9.10", "low": "9.10", "high": "9.10"}


async def test_the_mean_price_without_a_product_is_404(client: httpx.AsyncClient) -> None:
    await add(client, currency="EUR")

    answer = await client.get(VALUE)

    assert (answer.status_code, answer.json()["detail"]) == (404, "None of the latest 1000 products is in USD.")


def test_an_estimate_agrees_with_the_theory() -> None:
    """The estimate for 1 to 100 agrees with theory: mean 50.50, and 95 % within 1.96 standard errors of 2.89."""
    found = estimate([Decimal(number) for number in range(1, 101)])

    assert found == Estimate(100, Decimal("50.50"), found.low, found.high)
    assert abs(found.low - Decimal("44.84")) < 1
    assert abs(found.high - Decimal("56.16")) < 1


def test_the_largest_prices_are_estimated_to_the_cent() -> None:
    largest = Decimal("999999999999000000.01")

    assert estimate([largest] * 1000) == Estimate(1000, largest, largest, largest)


@BOTH
async def test_a_request_in_the_queue_holds_no_database_connection(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, path: str, name: str
) -> None:
    await add(committed_client)
    pool: Pool = committed_app.state.resources.engine.pool
    bulkhead = bulkhead_of(committed_app, name)
    await fill(bulkhead)
    waiting = asyncio.create_task(committed_client.get(path))
    await until(lambda: bulkhead.queued == 1)
    held = pool.status()
    bulkhead.leave()

    assert (await waiting).status_code == 200
    assert "Current Checked out connections: 0" in held


@BOTH
async def test_a_request_beyond_the_full_queue_is_refused(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, path: str, name: str
) -> None:
    await add(committed_client)
    bulkhead = bulkhead_of(committed_app, name)
    bulkhead.max_queue = 0
    await fill(bulkhead)

    refused, listed = await committed_client.get(path), await committed_client.get("/api/v1/orders")

    assert (refused.status_code, listed.status_code) == (503, 200)
    assert refused.json()["detail"] == "Too many such requests are being worked on. Try again."

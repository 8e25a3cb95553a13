"""What is worked on elsewhere: an export in a thread, an estimate in another process; the loop turns meanwhile."""

import asyncio
import gzip
import json
from decimal import Decimal

import pytest
from fastapi import FastAPI
from sqlalchemy import Pool, text

from app.downstreams.client import httpx
from app.gate import Gate
from app.orders.interval import Estimate, estimate
from app.orders.service import EXPORTED
from tests.faults.clients import late, undisturbed
from tests.heartbeat import heartbeat
from tests.orders.conftest import place
from tests.tasks import until

EXPORT, VALUE = "/api/v1/orders.jsonl.gz", "/api/v1/order-value?currency=USD"
BOTH = pytest.mark.parametrize(("path", "name"), [(EXPORT, "threads"), (VALUE, "processes")])

MANY = text("""
    WITH placed AS (
        INSERT INTO orders (customer, currency, state)
        SELECT md5(CAST(number AS text)), 'USD', 'placed' FROM generate_series(1, :count) AS number
        RETURNING id
    )
    INSERT INTO order_lines (order_id, position, sku, quantity, unit_price)
    SELECT id, 1, 'TEA-1', 1 + id % 7, id % 1000 FROM placed
""")


def gate_of(app: FastAPI, name: str) -> Gate:
    gate: Gate = getattr(app.state.resources.offload, name)
    return gate


async def fill(gate: Gate) -> None:
    """Take all of its places."""
    for _ in range(gate.places):
        await gate.enter()


def unpack(file: bytes) -> list[object]:
    return [json.loads(line) for line in gzip.decompress(file).splitlines()]


async def test_an_export_has_what_the_list_shows(client: httpx.AsyncClient) -> None:
    for customer in ("Ada", "=1+1", "Zoë\n"):
        await place(client, customer=customer)

    export = await client.get(EXPORT)

    assert export.headers["content-type"] == "application/gzip"
    assert unpack(export.content) == (await client.get("/api/v1/orders")).json()["orders"]


async def test_an_export_goes_on_after_the_last_order_of_another(client: httpx.AsyncClient) -> None:
    first, second, _third = [await place(client) for _ in range(3)]

    export = await client.get(f"{EXPORT}?after={second}")

    assert [order["id"] for order in unpack(export.content) if isinstance(order, dict)] == [first]


async def test_an_order_is_worth_what_those_in_its_currency_cost(client: httpx.AsyncClient) -> None:
    for currency, price in (("USD", "9.10"), ("USD", "9.10"), ("EUR", "1.00")):
        await place(client, currency=currency, lines=[{"sku": "TEA-1", "quantity": 2, "unit_price": price}])

    answer = await client.get(VALUE)

    assert answer.json() == {"currency": "USD", "orders": 2, "mean": "18.20", "low": "18.20", "high": "18.20"}


async def test_no_order_is_worth_nothing_that_could_be_told(client: httpx.AsyncClient) -> None:
    await place(client, currency="EUR")

    answer = await client.get(VALUE)

    assert (answer.status_code, answer.json()["detail"]) == (404, "None of the latest 1000 orders is in USD.")


def test_an_estimate_is_as_sure_as_theory_says() -> None:
    """Of 1 to 100 the mean is 50.50 and its standard error 2.89; 1.96 times that to either side is 95 %."""
    found = estimate([Decimal(number) for number in range(1, 101)])

    assert found == Estimate(100, Decimal("50.50"), found.low, found.high)
    assert abs(found.low - Decimal("44.84")) < 1
    assert abs(found.high - Decimal("56.16")) < 1


def test_the_largest_orders_are_estimated_to_the_cent() -> None:
    largest = Decimal("999999999999000000.01")

    assert estimate([largest] * 1000) == Estimate(1000, largest, largest, largest)


@pytest.mark.parametrize("path", [EXPORT, VALUE])
async def test_the_loop_turns_meanwhile(committed_app: FastAPI, committed_client: httpx.AsyncClient, path: str) -> None:
    async with committed_app.state.resources.write_sessions.begin() as session:
        await session.execute(MANY, {"count": EXPORTED})
    await committed_client.get(path)  # the next one finds its statement compiled and its process started

    async def measure() -> dict[str, float]:
        async with heartbeat() as beat:
            answer = await committed_client.get(path)

        assert answer.status_code == 200
        return late(share=(beat.share, 0.7))  # the read takes up to 0.5 of an export; done in place, it is 0.8 to 1

    assert await undisturbed(measure) == {}


@BOTH
async def test_no_database_connection_is_held_while_it_waits_for_its_turn(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, path: str, name: str
) -> None:
    await place(committed_client)
    pool: Pool = committed_app.state.resources.engine.pool
    gate = gate_of(committed_app, name)
    await fill(gate)
    waiting = asyncio.create_task(committed_client.get(path))
    await until(lambda: gate.waiting == 1)
    held = pool.status()
    gate.leave()

    assert (await waiting).status_code == 200
    assert "Current Checked out connections: 0" in held


@BOTH
async def test_what_is_too_much_is_refused(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, path: str, name: str
) -> None:
    await place(committed_client)
    gate = gate_of(committed_app, name)
    gate.max_waiting = 0
    await fill(gate)

    refused, other = await committed_client.get(path), await committed_client.get("/api/v1/orders")

    assert (refused.status_code, other.status_code) == (503, 200)
    assert refused.json()["detail"] == "Too many such requests are being worked on. Try again."

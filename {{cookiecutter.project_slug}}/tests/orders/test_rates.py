"""The routes that call the downstream `rates`: an order's total in a different currency, and the dashboard."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Pool

from app.main import create_app
from tests.conftest import client_of
from tests.databases import make_settings
from tests.fakes import FAKES, Fakes, Handler
from tests.http_client import httpx
from tests.orders.conftest import place


async def test_a_total_is_converted_exactly(client: httpx.AsyncClient, rates: list[str]) -> None:
    order_id = await place(client)

    answer = await client.get(f"/api/v1/orders/{order_id}/total?currency=EUR")

    assert answer.json() == {"order_id": order_id, "amount": "8.19", "currency": "EUR", "rate": "0.9"}
    assert rates == ["/USD/EUR"]


async def test_a_total_in_the_currency_of_the_order_makes_no_call(client: httpx.AsyncClient, rates: list[str]) -> None:
    order_id = await place(client)

    answer = await client.get(f"/api/v1/orders/{order_id}/total?currency=USD")

    assert answer.json()["amount"] == "9.10"
    assert rates == []


async def test_half_a_cent_goes_to_the_even_cent(client: httpx.AsyncClient, fakes: Fakes) -> None:
    fakes["rates"] = lambda _request: httpx.Response(200, json={"rate": "0.5"})
    prices = {"0.01": "0.00", "0.03": "0.02", "0.05": "0.02", "0.07": "0.04"}

    amounts = {}
    for price in prices:
        order_id = await place(client, lines=[{"sku": "TEA-1", "quantity": 1, "unit_price": price}])
        amounts[price] = (await client.get(f"/api/v1/orders/{order_id}/total?currency=EUR")).json()["amount"]

    assert amounts == prices


async def test_the_largest_order_is_converted_to_the_cent(client: httpx.AsyncClient, fakes: Fakes) -> None:
    fakes["rates"] = lambda _request: httpx.Response(200, json={"rate": "123456789.123456789"})
    lines = [{"sku": "GEM-1", "quantity": 1_000_000, "unit_price": "9999999999.99"}] * 100
    order_id = await place(client, lines=lines)

    answer = await client.get(f"/api/v1/orders/{order_id}/total?currency=EUR")

    assert answer.json()["amount"] == "123456789123333332210876543.21"


JSON = {"Content-Type": "application/json"}
UNUSABLE = "rates: its response has no usable rate."


def refuse(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("answer", "status", "detail"),
    [
        (lambda _: httpx.Response(404), 422, "There is no rate from USD to EUR."),
        (lambda _: httpx.Response(500), 503, "rates: it answered 500."),
        (lambda _: httpx.Response(301, headers={"location": "http://evil.invalid/"}), 502, "rates: it answered 301."),
        (lambda _: httpx.Response(200, text="<html>"), 502, "rates: its response is not declared as JSON."),
        (lambda _: httpx.Response(200, content="[" * 100_000, headers=JSON), 502, "rates: its response is not JSON."),
        (lambda _: httpx.Response(200, text="null", headers=JSON), 502, UNUSABLE),
        (lambda _: httpx.Response(200, json=[]), 502, UNUSABLE),
        (lambda _: httpx.Response(200, json={"rate": 0.9}), 502, UNUSABLE),
        (lambda _: httpx.Response(200, json={"rate": "many"}), 502, UNUSABLE),
        (lambda _: httpx.Response(200, json={"rate": "NaN"}), 502, UNUSABLE),
        (lambda _: httpx.Response(200, json={"rate": "-1"}), 502, UNUSABLE),
        (lambda _: httpx.Response(200, json={"rate": "1e999999"}), 502, UNUSABLE),
        (refuse, 503, "rates: it cannot be reached."),
    ],
)
async def test_each_failure_of_a_downstream_is_an_error_of_its_own(
    client: httpx.AsyncClient, fakes: Fakes, answer: Handler, status: int, detail: str
) -> None:
    fakes["rates"] = answer
    order_id = await place(client)

    found = await client.get(f"/api/v1/orders/{order_id}/total?currency=EUR")

    assert (found.status_code, found.json()["detail"]) == (status, detail)


async def test_the_dashboard_leaves_out_a_source_that_fails(committed_client: httpx.AsyncClient, fakes: Fakes) -> None:
    fakes["rates"] = refuse
    order_id = await place(committed_client)

    found = await committed_client.get("/api/v1/dashboard")

    board = found.json()
    assert (found.status_code, board["usd_to_eur"], board["missing"]) == (200, None, ["usd_to_eur"])
    assert [order["id"] for order in board["latest"]] == [order_id]


async def test_the_dashboard_shows_all_three_sources(committed_client: httpx.AsyncClient, rates: list[str]) -> None:
    first, second = await place(committed_client), await place(committed_client)
    await committed_client.patch(f"/api/v1/orders/{first}", json={"state": "paid"})

    board = (await committed_client.get("/api/v1/dashboard")).json()

    assert board["orders_by_state"] == {"placed": 1, "paid": 1}
    assert [order["id"] for order in board["latest"]] == [second, first]
    assert (board["usd_to_eur"], board["missing"]) == ("0.9", [])
    assert rates == ["/USD/EUR"]


async def answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):  # the service closes the connection at its timeout
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5)
        body = json.dumps({"rate": "0.9"}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def slow_rates(committed_url: str, **limits: Any) -> AsyncGenerator[FastAPI]:  # noqa: ANN401 - Any, as limits have several types
    """Yield the service with a downstream `rates` on a real socket, which answers each call after half a second."""
    server = await asyncio.start_server(answer_slowly, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # the timeout of a part, such as connect, must be less than the total
    seconds = limits.get("timeout_seconds", 2.0) * 0.9
    parts = {f"{part}_timeout_seconds": seconds for part in ("queue", "connect", "read")}
    rates = {"base_url": f"http://127.0.0.1:{port}/rates"} | parts | limits
    settings = make_settings(committed_url, downstreams={"rates": rates})
    app = create_app(settings, lambda name: None if name == "rates" else FAKES.transport(name))
    async with server, app.router.lifespan_context(app):
        yield app


async def test_no_database_connection_is_held_while_a_downstream_is_awaited(committed_url: str) -> None:
    async with slow_rates(committed_url) as app, client_of(app) as client:
        order_id = await place(client)
        pool: Pool = app.state.resources.engine.pool
        request = asyncio.create_task(client.get(f"/api/v1/orders/{order_id}/total?currency=EUR"))
        await asyncio.sleep(0.25)
        held = pool.status()

        assert (await request).status_code == 200
    assert "Current Checked out connections: 0" in held


async def test_a_slow_downstream_is_504(committed_url: str) -> None:
    async with slow_rates(committed_url, timeout_seconds=0.1) as app, client_of(app) as client:
        order_id = await place(client)
        answer = await client.get(f"/api/v1/orders/{order_id}/total?currency=EUR")

    assert answer.status_code == 504
    assert answer.json()["detail"].startswith("rates: ")


async def test_the_wait_in_the_queue_counts_against_the_timeout(committed_url: str) -> None:
    """Three calls of 0.5 s run in sequence: a timeout of 0.8 s, queueing included, lets a single call succeed."""
    async with (
        slow_rates(committed_url, max_concurrent=1, timeout_seconds=0.8) as app,
        client_of(app) as client,
    ):
        path = f"/api/v1/orders/{await place(client)}/total?currency=EUR"
        calls = [asyncio.create_task(client.get(path)) for _ in range(3)]
        answers = [(await call).status_code for call in calls]

    answered, *late = sorted(answers)
    assert answered == 200
    assert set(late) <= {503, 504}  # 503: timed out in the queue; 504: timed out while being sent or answered

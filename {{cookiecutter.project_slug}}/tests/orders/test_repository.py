"""The repository of orders: each operation sends the fewest possible SQL statements to PostgreSQL."""

from fastapi import FastAPI

from tests.http_client import httpx
from tests.orders.conftest import place
from tests.statements import statements


async def test_a_create_is_one_statement(committed_app: FastAPI, committed_client: httpx.AsyncClient) -> None:
    with statements(committed_app, 1):
        await place(committed_client)


async def test_a_read_of_an_order_and_its_lines_is_one_statement(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    order_id = await place(committed_client)

    with statements(committed_app, 1):
        assert (await committed_client.get(f"/api/v1/orders/{order_id}")).json()["lines"]


async def test_a_list_is_one_statement(committed_app: FastAPI, committed_client: httpx.AsyncClient) -> None:
    placed = {await place(committed_client) for _ in range(3)}

    with statements(committed_app, 1):
        orders = (await committed_client.get("/api/v1/orders")).json()["orders"]

    assert {order["id"] for order in orders} == placed

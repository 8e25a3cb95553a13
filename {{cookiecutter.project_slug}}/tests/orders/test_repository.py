"""Tests of the repository of orders: each operation sends the fewest SQL statements to PostgreSQL."""

from tests.http_client import httpx
from tests.orders.conftest import place
from tests.statements import statements


async def test_an_order_with_all_lines_is_written_by_one_statement(committed_client: httpx.AsyncClient) -> None:
    with statements(1):
        await place(committed_client)


async def test_a_read_of_an_order_and_its_lines_is_one_statement(committed_client: httpx.AsyncClient) -> None:
    order_id = await place(committed_client)
    for _ in range(2):  # the second run goes straight to the driver
        with statements(1):
            await committed_client.get(f"/api/v1/orders/{order_id}")


async def test_a_list_is_one_statement(committed_client: httpx.AsyncClient) -> None:
    with statements(1):
        await committed_client.get("/api/v1/orders")

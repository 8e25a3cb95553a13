"""Tests of the repository of orders: each operation sends the fewest SQL statements to PostgreSQL."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app.resources import Resources
from tests.http_client import httpx
from tests.orders.conftest import place


@pytest.fixture
def statements(committed_app: FastAPI) -> Iterator[list[str]]:
    """The first word of each SQL statement that the app sends, without the driver's own BEGIN and COMMIT."""
    resources: Resources = committed_app.state.resources
    engine = resources.engine.sync_engine
    seen: list[str] = []

    def remember(*arguments: object) -> None:
        seen.append(str(arguments[2]).split(" ", 1)[0])

    event.listen(engine, "before_cursor_execute", remember)
    resources.reader.observers.append(lambda text, _seconds: seen.append(text.split(" ", 1)[0]))
    yield seen
    event.remove(engine, "before_cursor_execute", remember)


async def test_a_create_is_one_statement(committed_client: httpx.AsyncClient, statements: list[str]) -> None:
    await place(committed_client)

    assert statements == ["WITH"]


async def test_a_read_of_an_order_and_its_lines_is_one_statement(
    committed_client: httpx.AsyncClient, statements: list[str]
) -> None:
    order_id = await place(committed_client)
    statements.clear()

    await committed_client.get(f"/api/v1/orders/{order_id}")

    assert statements == ["SELECT"]


async def test_a_list_is_one_statement(committed_client: httpx.AsyncClient, statements: list[str]) -> None:
    await place(committed_client)
    statements.clear()

    await committed_client.get("/api/v1/orders")

    assert statements == ["SELECT"]

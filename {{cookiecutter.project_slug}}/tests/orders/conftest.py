"""Fixtures for tests of orders: the body of a new order, and a fake downstream with exchange rates."""

from typing import Any

import pytest

from tests.fakes import Fakes
from tests.http_client import httpx

ORDER: dict[str, Any] = {
    "customer": "Ada",
    "currency": "USD",
    "lines": [
        {"sku": "TEA-1", "quantity": 2, "unit_price": "4.50"},
        {"sku": "CUP-7", "quantity": 1, "unit_price": "0.10"},
    ],
}


@pytest.fixture
def rates(fakes: Fakes) -> list[str]:
    """The paths of the calls to a fake downstream `rates`, which always answers with the exchange rate 0.9."""
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json={"rate": "0.9"})

    fakes["rates"] = answer
    return paths


async def place(client: httpx.AsyncClient, **changes: Any) -> int:  # noqa: ANN401 - Any, as order fields have several types
    """Place an order over HTTP, with some fields changed, and return the id of the order."""
    answer = await client.post("/api/v1/orders", json=ORDER | changes)
    order_id: int = answer.json()["id"]
    return order_id

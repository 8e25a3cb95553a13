"""What tests of orders share: an order to place, and a `rates` downstream that answers."""

from typing import Any

import pytest

from app.downstreams.client import httpx
from tests.conftest import Fakes

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
    """Answer every rate with 0.9; return the list of what was asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"rate": "0.9"})

    fakes["rates"] = answer
    return asked


async def place(client: httpx.AsyncClient, **changes: Any) -> int:  # noqa: ANN401 - any field may be changed
    """Place an order and return its id."""
    answer = await client.post("/api/v1/orders", json=ORDER | changes)
    order_id: int = answer.json()["id"]
    return order_id

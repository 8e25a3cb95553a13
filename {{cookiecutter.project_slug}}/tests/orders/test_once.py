"""An order with an Idempotency-Key is placed once."""

from app.downstreams.client import httpx

ORDER = {
    "customer": "Ada",
    "currency": "EUR",
    "lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": "4.50"}],
}


async def test_an_order_that_is_sent_twice_is_placed_once(committed_client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    first, second = [await committed_client.post("/api/v1/orders", json=ORDER, headers=key) for _ in range(2)]
    listed = (await committed_client.get("/api/v1/orders")).json()["orders"]

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers["location"] == second.headers["location"]
    assert [order["id"] for order in listed] == [first.json()["id"]]

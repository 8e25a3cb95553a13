"""A write of an order with an Idempotency-Key happens once, even if the client repeats the request."""

from tests.http_client import httpx
from tests.orders.conftest import ORDER, place

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


async def test_a_repeated_order_is_placed_once(committed_client: httpx.AsyncClient) -> None:
    first, second = [await committed_client.post("/api/v1/orders", json=ORDER, headers=KEY) for _ in range(2)]
    listed = (await committed_client.get("/api/v1/orders")).json()["orders"]

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers["location"] == second.headers["location"]
    assert [order["id"] for order in listed] == [first.json()["id"]]


async def test_a_repeated_change_and_a_repeated_deletion_get_the_first_response(
    committed_client: httpx.AsyncClient,
) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    changes = [await committed_client.patch(url, json={"state": "paid"}, headers=KEY) for _ in range(2)]
    deletions = [await committed_client.delete(url, headers=KEY) for _ in range(2)]

    assert [answer.status_code for answer in [*changes, *deletions]] == [200, 200, 204, 204]
    assert changes[0].json()["state"] == "paid"
    assert changes[0].content == changes[1].content
    assert [answer.content for answer in deletions] == [b"", b""]
    assert [answer.headers.get("idempotency-replayed") for answer in [*changes, *deletions]] == [None, "true"] * 2
    assert "content-type" not in deletions[0].headers

"""An order can be read and changed by the owner only: all other users get 404."""

import pytest

from tests.http_client import httpx
from tests.orders.conftest import ORDER, place
from tests.tokens import bearer

EVE = bearer("eve")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_the_order_of_a_different_owner_is_404(client: httpx.AsyncClient, method: str) -> None:
    url = f"/api/v1/orders/{await place(client)}"

    answer = await client.request(method, url, headers=EVE)

    assert answer.status_code == 404
    assert (await client.get(url)).status_code == 200


async def test_a_list_has_the_orders_of_its_owner(client: httpx.AsyncClient) -> None:
    own = await place(client)
    await client.post("/api/v1/orders", json=ORDER, headers=EVE)

    listed = (await client.get("/api/v1/orders")).json()["orders"]

    assert [order["id"] for order in listed] == [own]


async def test_the_same_key_of_a_different_owner_is_a_different_order(committed_client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "9f1c"}
    mine = await committed_client.post("/api/v1/orders", json=ORDER, headers=key)
    theirs = await committed_client.post("/api/v1/orders", json=ORDER, headers=key | EVE)

    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]
    assert "idempotency-replayed" not in theirs.headers


async def test_a_change_and_a_total_of_a_different_owner_are_404(client: httpx.AsyncClient) -> None:
    url = f"/api/v1/orders/{await place(client)}"

    change = await client.patch(url, json={"state": "paid"}, headers=EVE)
    total = await client.get(f"{url}/total?currency=USD", headers=EVE)

    assert (change.status_code, total.status_code) == (404, 404)
    assert (await client.get(url)).json()["state"] == "placed"


@pytest.mark.parametrize(
    ("scope", "statuses"), [("orders:read", [200, 403]), ("orders:write", [403, 201]), ("", [403] * 2)]
)
async def test_a_route_needs_its_scope(client: httpx.AsyncClient, scope: str, statuses: list[int]) -> None:
    token = bearer(scope=scope)

    read = await client.get("/api/v1/orders", headers=token)
    written = await client.post("/api/v1/orders", json=ORDER, headers=token)

    assert [read.status_code, written.status_code] == statuses


@pytest.mark.parametrize("field", ["owner", "id", "state"])
async def test_a_body_cannot_set_what_the_service_sets(client: httpx.AsyncClient, field: str) -> None:
    answer = await client.post("/api/v1/orders", json=ORDER | {field: "eve"})

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["body"])

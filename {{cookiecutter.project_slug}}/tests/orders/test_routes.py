"""Orders over HTTP: create, read, list, change, delete."""

from datetime import UTC, datetime, timedelta

import pytest

from devtools.probe import call_of
from tests.http_client import httpx
from tests.orders.conftest import ORDER, place


async def test_an_order_is_created_and_read_back_exactly(client: httpx.AsyncClient) -> None:
    created = await client.post("/api/v1/orders", json=ORDER)
    read = await client.get(created.headers["location"])

    body = created.json()
    assert created.status_code == 201
    assert read.json() == body
    assert body == ORDER | {"id": body["id"], "state": "placed", "created_at": body["created_at"]}
    assert datetime.now(UTC) - datetime.fromisoformat(body["created_at"]) < timedelta(minutes=1)
    assert body["created_at"].endswith("Z")


async def test_a_forged_host_is_in_no_location(client: httpx.AsyncClient) -> None:
    created = await client.post("/api/v1/orders", json=ORDER, headers={"host": "evil.invalid"})

    assert created.headers["location"] == f"/api/v1/orders/{created.json()['id']}"


async def test_the_example_call_of_the_development_runner_works(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()
    path, _header, kind, _data, body = call_of(description, "")

    answer = await client.post(path, content=body, headers=dict([kind.split(": ")]))

    assert answer.status_code == 201


@pytest.mark.parametrize(("price", "stored"), [("4.5", "4.50"), ("1E+2", "100.00"), ("-0", "0.00"), ("0.010", "0.01")])
async def test_a_price_is_returned_as_stored(client: httpx.AsyncClient, price: str, stored: str) -> None:
    lines = [{"sku": "TEA-1", "quantity": 1, "unit_price": price}]

    created = await client.post("/api/v1/orders", json=ORDER | {"lines": lines})

    assert created.json()["lines"][0]["unit_price"] == stored
    assert (await client.get(created.headers["location"])).json() == created.json()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines": []}, "body.lines"),
        ({"customer": "  "}, "body.customer"),
        ({"currency": "dollars"}, "body.currency"),
        ({"lines": [{"sku": "TEA-1", "quantity": 0, "unit_price": "1"}]}, "body.lines.0.quantity"),
        ({"lines": [{"sku": "TEA-1", "quantity": 1, "unit_price": "0.001"}]}, "body.lines.0.unit_price"),
        ({"lines": [{"sku": "TEA-1", "quantity": 1, "unit_price": "-1"}]}, "body.lines.0.unit_price"),
        ({"lines": [{"sku": "TEA-1", "quantity": 1, "unit_price": "NaN"}]}, "body.lines.0.unit_price"),
        ({"lines": [{"sku": "a b", "quantity": 1, "unit_price": "1"}]}, "body.lines.0.sku"),
    ],
)
async def test_an_invalid_order_is_422(client: httpx.AsyncClient, change: dict[str, object], field: str) -> None:
    answer = await client.post("/api/v1/orders", json=ORDER | change)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_each_route_refuses_an_unknown_parameter(client: httpx.AsyncClient) -> None:
    """A client that sends an unknown parameter, such as `?dry_run=true`, must not get a 201."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    calls = [(method, path) for path in paths for method in paths[path] if paths[path][method]["tags"] == ["orders"]]
    answers = []
    for method, path in calls:
        address = f"{path.format(order_id=1)}?dry_run=true"
        answers.append(await client.request(method, address, headers={"content-type": "image/png"}))

    assert [answer.status_code for answer in answers] == [422] * len(calls)
    assert all({"field": "query", "reason": "Extra inputs are not permitted"} in a.json()["errors"] for a in answers)
    assert ("post", "/api/v1/orders") in calls


async def test_an_unknown_order_is_404(client: httpx.AsyncClient) -> None:
    answers = [
        await client.get("/api/v1/orders/404"),
        await client.delete("/api/v1/orders/404"),
        await client.patch("/api/v1/orders/404", json={"state": "paid"}),
        await client.get("/api/v1/orders/404/total?currency=EUR"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert {answer.json()["detail"] for answer in answers} == {"There is no order 404."}


async def test_pages_have_no_gap_and_no_repetition(client: httpx.AsyncClient) -> None:
    placed = [await place(client) for _ in range(5)]

    first = (await client.get("/api/v1/orders?limit=2")).json()
    await place(client)  # an order added between two pages must not shift the later pages
    second = (await client.get(f"/api/v1/orders?limit=2&after={first['next']}")).json()
    third = (await client.get(f"/api/v1/orders?limit=2&after={second['next']}")).json()

    pages = [[order["id"] for order in page["orders"]] for page in (first, second, third)]
    assert pages == [placed[:2:-1], placed[2:0:-1], placed[:1]]
    assert third["next"] is None


async def test_a_list_has_summaries(client: httpx.AsyncClient) -> None:
    order_id = await place(client)
    whole = (await client.get(f"/api/v1/orders/{order_id}")).json()

    page = (await client.get("/api/v1/orders")).json()

    del whole["lines"]
    assert page == {"orders": [whole], "next": None}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "after=0", "after=9223372036854775808", "limit=many", "before=7", "limit=1&Limit=2"],
)
async def test_an_invalid_page_is_422(client: httpx.AsyncClient, query: str) -> None:
    """Unknown parameters are refused too: a misspelt `after` would otherwise return the first page again."""
    answer = await client.get(f"/api/v1/orders?{query}")

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("states", "statuses"),
    [
        (["paid", "shipped"], [200, 200]),
        (["paid", "cancelled"], [200, 200]),
        (["cancelled", "paid"], [200, 409]),
        (["shipped"], [409]),
        (["paid", "paid"], [200, 409]),
        (["paid", "shipped", "cancelled"], [200, 200, 409]),
        (["placed"], [409]),
        (["lost"], [422]),
    ],
)
async def test_the_state_only_goes_forward(client: httpx.AsyncClient, states: list[str], statuses: list[int]) -> None:
    order_id = await place(client)

    answers = [await client.patch(f"/api/v1/orders/{order_id}", json={"state": state}) for state in states]

    assert [answer.status_code for answer in answers] == statuses
    good = [state for state, status in zip(states, statuses, strict=True) if status == 200]
    assert (await client.get(f"/api/v1/orders/{order_id}")).json()["state"] == (good[-1] if good else "placed")


async def test_a_refused_change_gives_the_reason(client: httpx.AsyncClient) -> None:
    order_id = await place(client)

    answer = await client.patch(f"/api/v1/orders/{order_id}", json={"state": "shipped"})

    assert answer.json()["detail"] == f"Order {order_id} is placed and cannot become shipped."


async def test_a_deleted_order_is_404(client: httpx.AsyncClient) -> None:
    order_id = await place(client)

    answers = [await client.delete(f"/api/v1/orders/{order_id}"), await client.get(f"/api/v1/orders/{order_id}")]

    assert [answer.status_code for answer in answers] == [204, 404]

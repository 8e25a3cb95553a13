"""The background task of a shipped order, which notifies the customer after the commit."""

from fastapi import FastAPI

from app.orders import service
from tests.captured_log import captured_log
from tests.http_client import httpx
from tests.orders.conftest import place
from tests.tasks import until


async def test_the_customer_is_told_once_of_a_shipped_order_and_never_of_a_refused_change(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    key = {"Idempotency-Key": "key-of-the-change"}
    with captured_log(service) as lines:
        changes = [await committed_client.patch(url, json={"state": state}) for state in ("shipped", "paid")]
        changes += [await committed_client.patch(url, json={"state": "shipped"}, headers=key) for _ in range(2)]
        await until(lambda: not committed_app.state.resources.supervisor.running)

    assert [answer.status_code for answer in changes] == [409, 200, 200, 200]
    assert [(line["event"], line["order"]) for line in lines] == [
        ("customer told about the order", changes[1].json()["id"])
    ]

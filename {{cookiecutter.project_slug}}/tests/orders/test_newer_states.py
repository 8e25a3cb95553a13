"""An order state that only newer code knows is readable: old and new replicas run together in a rolling update."""

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.orders.service import COUNTED
from app.resources import Resources
from tests.http_client import httpx
from tests.orders.conftest import place

MIGRATION = "ALTER TABLE orders DROP CONSTRAINT ck_orders_state_known"
REFUND = "UPDATE orders SET state = 'refunded' WHERE id = (SELECT min(id) FROM orders)"
FILL = """INSERT INTO orders OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(orders,
jsonb_build_object('id', id + n, 'state', 'placed'))).* FROM orders, generate_series(1, {}) n"""


async def run(app: FastAPI, *statements: str) -> None:
    """Run SQL statements in a transaction."""
    resources: Resources = app.state.resources
    async with resources.write_sessions.begin() as session:
        for statement in statements:
            await session.execute(text(statement))


@pytest.mark.usefixtures("rates")
async def test_an_order_in_a_state_of_newer_code_is_shown_and_cannot_change(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    await run(committed_app, MIGRATION, REFUND)

    order = (await committed_client.get(url)).json()
    listed = (await committed_client.get("/api/v1/orders")).json()
    dashboard = (await committed_client.get("/api/v1/dashboard")).json()
    changed = await committed_client.patch(url, json={"state": "paid"})

    assert (order["state"], listed["orders"][0]["state"]) == ("refunded", "refunded")
    assert dashboard["orders_by_state"] == {"refunded": 1}
    assert (changed.status_code, "is refunded and cannot become paid" in changed.json()["detail"]) == (409, True)


@pytest.mark.usefixtures("rates")
async def test_the_dashboard_counts_the_latest_orders_only(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    """The dashboard counts recent orders only: a count of a growing table would later exceed the statement timeout."""
    await place(committed_client)
    await run(committed_app, MIGRATION, REFUND, FILL.format(COUNTED))

    dashboard = (await committed_client.get("/api/v1/dashboard")).json()

    assert dashboard["orders_by_state"] == {"placed": COUNTED}

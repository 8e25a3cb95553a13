"""Versions of orders: a client with the current version gets 304, and concurrent changes never overwrite each other."""

import asyncio

import asyncpg
from fastapi import FastAPI

from tests.conftest import client_of
from tests.databases import make_settings
from tests.http_client import build_app, httpx
from tests.orders.conftest import place
from tests.statements import statements
from tests.tokens import bearer


async def test_an_order_that_the_client_has_costs_the_query_of_its_version(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    with statements(committed_app, 1):
        read = await committed_client.get(url)
    with statements(committed_app, 1):
        again = await committed_client.get(url, headers={"If-None-Match": read.headers["ETag"]})

    assert (read.status_code, again.status_code, again.content) == (200, 304, b"")
    assert (read.headers["Cache-Control"], read.headers["Vary"]) == ("private, no-cache", "Authorization")


async def test_a_change_gives_an_order_a_new_version(committed_client: httpx.AsyncClient) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    old = (await committed_client.get(url)).headers["ETag"]
    await committed_client.patch(url, json={"state": "paid"})

    read = await committed_client.get(url, headers={"If-None-Match": old})

    assert (read.status_code, read.json()["state"]) == (200, "paid")
    assert read.headers["ETag"] != old


async def test_a_change_of_an_order_that_has_changed_is_refused(committed_client: httpx.AsyncClient) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    seen = {"If-Match": (await committed_client.get(url)).headers["ETag"]}
    first = await committed_client.patch(url, json={"state": "paid"}, headers=seen)
    second = await committed_client.patch(url, json={"state": "cancelled"}, headers=seen)

    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["code"] == "precondition_failed"
    assert (await committed_client.get(url)).json()["state"] == "paid"


async def test_an_order_that_has_changed_is_not_deleted(committed_client: httpx.AsyncClient) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    seen = {"If-Match": (await committed_client.get(url)).headers["ETag"]}
    await committed_client.patch(url, json={"state": "paid"}, headers=seen)
    current = {"If-Match": (await committed_client.get(url)).headers["ETag"]}

    statuses = [(await committed_client.delete(url, headers=headers)).status_code for headers in (seen, current)]

    assert statuses == [412, 204]


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_of_two_changes_at_the_same_time_one_is_refused(committed_url: str) -> None:
    """Two concurrent changes with the same If-Match wait for a locked row: the second change must get 412.

    If the service read the version without locking the row, both changes would find the expected version.
    """
    app = build_app(make_settings(committed_url))
    locker, watcher = await asyncpg.connect(committed_url), await asyncpg.connect(committed_url)
    async with app.router.lifespan_context(app), client_of(app) as client, asyncio.timeout(30):
        url = f"/api/v1/orders/{await place(client)}"
        seen = {"If-Match": (await client.get(url)).headers["ETag"]}
        async with locker.transaction():
            await locker.execute("SELECT FROM orders FOR UPDATE")
            changes = [
                asyncio.create_task(client.patch(url, json={"state": state}, headers=seen))
                for state in ("paid", "cancelled")
            ]
            while await watcher.fetchval(WAITING) < 2:  # noqa: ASYNC110 - PostgreSQL sends no event for a statement that waits
                await asyncio.sleep(0.01)
        statuses = sorted([(await change).status_code for change in changes])
    await locker.close()
    await watcher.close()

    assert statuses == [200, 412]


async def test_a_repeated_change_gets_the_first_response_although_the_order_has_changed(
    committed_client: httpx.AsyncClient,
) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    headers = {"If-Match": (await committed_client.get(url)).headers["ETag"], "Idempotency-Key": "9f1c"}
    answers = [await committed_client.patch(url, json={"state": "paid"}, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


async def test_the_order_of_a_different_owner_has_no_version(committed_client: httpx.AsyncClient) -> None:
    url = f"/api/v1/orders/{await place(committed_client)}"
    read = await committed_client.get(url, headers=bearer("eve") | {"If-None-Match": "*"})
    change = await committed_client.patch(url, json={"state": "paid"}, headers=bearer("eve") | {"If-Match": "*"})

    assert (read.status_code, change.status_code) == (404, 404)

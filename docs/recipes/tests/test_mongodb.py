"""Tests of MongoDB, with a server that speaks the protocol: the recipe, and what the code of the tutorials does."""

import asyncio
import time
from typing import Any

import mongodb
import pytest
from edges import Server, client_of, tutorial
from pymongo import AsyncMongoClient

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("mongo")]


async def connections(server: Server) -> int:
    """Return how many connections the server has accepted so far: the id of the newest connection is this number."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(port=server.port)
    async with client:
        number: int = (await client.admin.command("hello"))["connectionId"]
    return number


async def test_an_order_is_stored_and_read() -> None:
    async with client_of(mongodb.app) as client:
        created = await client.post("/orders", json={"item": "tea"})
        read = await client.get(f"/orders/{created.json()['id']}")
        absent = await client.get("/orders/none")

    assert (created.status_code, read.json(), absent.status_code) == (201, {"item": "tea"}, 404)


async def test_a_client_for_each_request_connects_for_each_request(mongo: Server) -> None:
    requests = 20
    before = await connections(mongo)
    async with client_of(mongodb.app) as client:
        for _ in range(requests):
            assert (await client.post("/orders", json={"item": "tea"})).status_code == 201
    ours = await connections(mongo) - before
    async with client_of(tutorial("mongodb").app) as client:
        for _ in range(requests):
            assert (await client.post("/orders", json={"item": "tea"})).status_code == 200
    theirs = await connections(mongo) - before - ours

    assert ours < requests
    assert theirs >= 2 * requests


async def test_a_server_that_is_frozen_costs_the_deadline_and_no_more(
    mongo: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(mongodb.app) as client, client_of(tutorial("mongodb").app) as other:
        await client.post("/orders", json={"item": "tea"})
        await other.post("/orders", json={"item": "tea"})
        monkeypatch.setattr(mongodb, "DEADLINE_SECONDS", 0.2)
        mongo.freeze()
        started = time.monotonic()
        statuses = [(await client.post("/orders", json={"item": "tea"})).status_code for _ in range(2)]
        seconds = time.monotonic() - started
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.post("/orders", json={"item": "tea"}), 10 * 0.2)
        monkeypatch.undo()
        mongo.thaw()

        assert (await client.post("/orders", json={"item": "tea"})).status_code == 201
    assert statuses == [504, 504]
    assert seconds < 10 * 0.2


async def test_a_deadline_costs_a_connection(mongo: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of(mongodb.app) as client:
        await client.post("/orders", json={"item": "tea"})
        before = await connections(mongo)
        admin: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(port=mongo.port)
        async with admin:
            slow = {"failCommands": ["insert"], "blockConnection": True, "blockTimeMS": 1500}
            await admin.admin.command("configureFailPoint", "failCommand", mode={"times": 5}, data=slow)
        monkeypatch.setattr(mongodb, "DEADLINE_SECONDS", 0.4)
        late = [(await client.post("/orders", json={"item": "tea"})).status_code for _ in range(5)]
        monkeypatch.undo()
        await client.post("/orders", json={"item": "tea"})
        made = await connections(mongo) - before

    assert late == [504] * 5
    assert made >= 5


async def test_a_query_of_the_client_is_a_value_and_no_operator() -> None:
    any_order = {"item": {"$ne": None}}
    async with client_of(tutorial("mongodb").app) as client:
        await client.post("/orders", json={"item": "a secret"})
        found = await client.post("/orders/search", json=any_order)
    async with client_of(mongodb.app) as client:
        refused = await client.post("/orders", json=any_order)

    assert found.json() is not None
    assert refused.status_code == 422

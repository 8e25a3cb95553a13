"""Tests of the Idempotency-Key header: a write happens once, even if the client repeats the request."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel
from sqlalchemy import text

from app.database.engine import transactional
from app.dependencies import IdempotentDep, WriteSession
from app.main import create_app
from app.resources import Resources
from tests.conftest import client_of
from tests.databases import make_settings
from tests.http_client import httpx
from tests.tasks import until

router = APIRouter()
RELEASED = asyncio.Event()
"""An event that a test sets to release requests, which wait inside the handler with an open transaction."""

ADD = text("INSERT INTO scratch_payments (name) VALUES (:name) RETURNING id")


class Payment(BaseModel):
    """The request body of a payment; `waits` and `fails` select the behaviour of the handler."""

    name: str
    waits: bool = False
    fails: bool = False


class Receipt(BaseModel):
    """The response body of a payment; a repeated request must receive it unchanged."""

    id: int
    name: str


@router.post("/payments", status_code=201, response_model=Receipt)
@router.post("/refunds", status_code=201, response_model=Receipt)
async def pay(payment: Payment, session: WriteSession, idempotent: IdempotentDep) -> Response:
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    receipt = Receipt(id=await session.scalar(ADD, {"name": payment.name}), name=payment.name)
    if payment.waits:
        await RELEASED.wait()
    if payment.fails:
        raise RuntimeError("the handler is broken")
    return await idempotent.answer(session, receipt, status=201, headers={"location": f"/payments/{receipt.id}"})


@router.post("/unkeyed", status_code=201)
@router.delete("/unkeyed", status_code=201)
@router.get("/unkeyed", status_code=201)
async def ignore_the_key(session: WriteSession) -> None:
    await session.execute(ADD, {"name": "unkeyed"})


@pytest.fixture
async def app(committed_url: str) -> AsyncGenerator[FastAPI]:
    """The service with two more routes, payments and refunds, which write a row with an Idempotency-Key."""
    app = create_app(make_settings(committed_url, database_pool_limit=5))
    app.include_router(router)
    async with app.router.lifespan_context(app):
        await run(app, "CREATE TABLE scratch_payments (id int GENERATED ALWAYS AS IDENTITY, name text)")
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of the service with the routes for payments and refunds."""
    async with client_of(app, raises_bugs=False) as http:
        yield http


async def run(app: FastAPI, statement: str) -> None:
    resources: Resources = app.state.resources
    async with transactional(resources.engine).begin() as connection:
        await connection.execute(text(statement))


async def count_payments(app: FastAPI) -> int:
    resources: Resources = app.state.resources
    return await resources.reader.scalar(text("SELECT count(*) FROM scratch_payments")) or 0


async def post(
    client: httpx.AsyncClient, key: str | None, path: str = "/payments", **payment: object
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(path, json={"name": "a"} | payment, headers=headers)


async def test_a_repeated_request_gets_the_same_response_and_writes_once(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    first, second = await post(client, "k-1"), await post(client, "k-1")

    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, {"id": 1, "name": "a"})
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert first.headers["content-type"] == second.headers["content-type"]
    assert ("idempotency-replayed" in first.headers, second.headers["idempotency-replayed"]) == (False, "true")
    assert await count_payments(app) == 1


async def test_a_different_request_with_the_same_key_is_refused(app: FastAPI, client: httpx.AsyncClient) -> None:
    await post(client, "k-1")
    different = await post(client, "k-1", name="b")

    assert (different.status_code, different.headers["content-type"]) == (422, "application/problem+json")
    assert "used for another request" in different.json()["detail"]
    assert await count_payments(app) == 1


async def test_a_key_belongs_to_a_method_and_a_path(app: FastAPI, client: httpx.AsyncClient) -> None:
    answers = [await post(client, "k-1"), await post(client, "k-1", path="/refunds"), await post(client, "k-2")]

    assert [answer.json()["id"] for answer in answers] == [1, 2, 3]
    assert await count_payments(app) == 3


async def test_without_a_key_each_request_writes(client: httpx.AsyncClient) -> None:
    assert [(await post(client, None)).json()["id"] for _ in range(2)] == [1, 2]


async def test_of_concurrent_requests_the_first_writes_and_the_rest_get_409(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    RELEASED.clear()
    requests = [asyncio.create_task(post(client, "k-1", waits=True)) for _ in range(5)]
    await until(lambda: sum(request.done() for request in requests) == 4)
    RELEASED.set()
    answers = [await request for request in requests]
    later = await post(client, "k-1", waits=True)

    assert sorted((a.status_code, a.headers.get("retry-after")) for a in answers) == [(201, None), *[(409, "1")] * 4]
    assert later.json() == {"id": 1, "name": "a"}
    assert await count_payments(app) == 1


async def test_a_failed_request_may_be_repeated(app: FastAPI, client: httpx.AsyncClient) -> None:
    answers = [await post(client, "k-1", fails=True), await post(client, "k-1")]

    assert [answer.status_code for answer in answers] == [500, 201]
    assert await count_payments(app) == 1


async def test_a_response_is_stored_until_it_expires_and_then_deleted(app: FastAPI, client: httpx.AsyncClient) -> None:
    for key in ("k-1", "k-2"):
        await post(client, key)
    await run(app, "UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")
    again = await post(client, "k-1")

    resources: Resources = app.state.resources
    assert again.json()["id"] == 3
    assert await resources.reader.scalar(text("SELECT count(*) FROM idempotency_keys")) == 1


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "\xff"])
async def test_a_malformed_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/payments", json={"name": "a"}, headers={b"Idempotency-Key": key.encode("latin-1")})

    assert answer.status_code == 422


async def test_a_key_that_a_write_does_not_read_is_refused(app: FastAPI, client: httpx.AsyncClient) -> None:
    """A write with an Idempotency-Key that the route does not read is refused: a repeated request would write twice."""
    headers = {"Idempotency-Key": "k-1"}
    answers = {method: await client.request(method, "/unkeyed", headers=headers) for method in ("POST", "DELETE")}

    assert {method: answer.status_code for method, answer in answers.items()} == {"POST": 400, "DELETE": 400}
    assert answers["POST"].json()["code"] == "bad_request"
    assert await count_payments(app) == 0


async def test_a_read_ignores_a_key_and_an_unknown_path_is_404(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k-1"}
    answers = [await client.get("/unkeyed", headers=headers), await client.post("/nowhere", headers=headers)]

    assert [answer.status_code for answer in answers] == [201, 404]

"""Imports of orders from a file: the route, the job, and the confirmation with an idempotency key."""

import json
from uuid import UUID

import pytest
from fastapi import FastAPI

from tests.conftest import client_of
from tests.fakes import FAKES, Fakes
from tests.http_client import httpx
from tests.jobs.conftest import QUICK, count, until, waits, working
from tests.orders.conftest import ORDER

URL = "/api/v1/orders/imports"
HEADERS = {"Content-Type": "application/jsonl"}


@pytest.fixture
def told(fakes: Fakes) -> list[tuple[str, object]]:
    """The idempotency keys and the bodies of confirmations sent to a fake downstream, which refuses the first call."""
    received: list[tuple[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append((request.headers["idempotency-key"], json.loads(request.content)))
        return httpx.Response(503 if len(received) == 1 else 201, json={})

    fakes["confirmations"] = answer
    return received


def lines(*orders: object) -> bytes:
    return b"".join(json.dumps(order).encode() + b"\n" for order in orders)


async def test_an_import_stores_the_orders_and_is_confirmed_once(
    told: list[tuple[str, object]], committed_app: FastAPI, committed_url: str
) -> None:
    orders: list[object] = [ORDER] * 105 + [{"customer": "Ada"}] + [ORDER] * 5
    async with client_of(committed_app) as client:
        started = await client.post(URL, content=lines(*orders), headers=HEADERS)

    async def is_told() -> bool:
        return len(told) > 1

    async with working(committed_url, QUICK, FAKES.transport):
        row = await until(committed_app, UUID(started.json()["id"]), "succeeded", "dead")
        await waits(is_told)

    assert (started.status_code, started.headers["location"]) == (202, f"/api/v1/jobs/{row['id']}")
    assert row["result"] == {"placed": 110, "refused": 1, "errors": [{"line": 106, "detail": "lines: Field required"}]}
    assert (row["progress"], row["total"]) == (111, 111)
    assert await count(committed_app, "SELECT count(*) FROM orders") == 110
    assert len({key for key, _ in told}) == 1
    assert [body for _, body in told] == [{"placed": 110, "refused": 1}] * len(told)


async def test_a_repeated_request_starts_one_import(app: FastAPI, client: httpx.AsyncClient) -> None:
    key = HEADERS | {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    answers = [await client.post(URL, content=lines(ORDER), headers=key) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert await count(app, "SELECT count(*) FROM jobs") == 1


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"\n \n", "application/jsonl", 422),
        (b'{"a": "\x00"}', "application/jsonl", 422),
        (b"\xff", "application/jsonl", 422),
    ],
)
async def test_a_file_that_is_no_json_lines_is_refused(
    client: httpx.AsyncClient, content: bytes, media_type: str, status: int
) -> None:
    answer = await client.post(URL, content=content, headers={"Content-Type": media_type})

    assert answer.status_code == status

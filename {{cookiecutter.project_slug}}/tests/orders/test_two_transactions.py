"""A route that writes, calls a downstream and writes again, in two transactions, holds no connection in between."""

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import text

from app.dependencies import DownstreamsDep, SupervisorDep, TransactionsDep
from app.resources import Resources
from tests.fakes import Fakes
from tests.http_client import httpx
from tests.orders.conftest import place
from tests.tasks import until

router = APIRouter()

CHANGE = text("UPDATE orders SET customer = :customer WHERE id = :number")
FIND = text("SELECT customer FROM orders WHERE id = :number")
started: list[str] = []


async def note(moment: str) -> None:
    """Record that a background task has started."""
    started.append(moment)


@router.post("/orders/{number}/payment", status_code=201)
async def pay(
    number: int, transactions: TransactionsDep, downstreams: DownstreamsDep, supervisor: SupervisorDep
) -> None:
    """Store that a payment begins, request the payment from a downstream, and store the outcome."""
    async with transactions() as session:
        await session.execute(CHANGE, {"number": number, "customer": "paying"})
        supervisor.start("note", note("begun"))
    # the idempotency key is derived from the row, so that a second attempt is the same payment
    key = f"payment-of-order-{number}"
    paid = await downstreams["rates"].send_json("POST", "payments", body={"order": number}, idempotency_key=key)
    async with transactions() as session:
        await session.execute(CHANGE, {"number": number, "customer": f"paid with {paid['reference']}"})
        supervisor.start("note", note("paid"))


@pytest.mark.parametrize(
    ("status", "answered", "stored", "tasks"),
    [(200, 201, "paid with P-7", ["begun", "paid"]), (500, 503, "paying", ["begun"])],
)
async def test_a_call_between_two_transactions_holds_no_connection_and_undoes_no_commit(  # noqa: PLR0913, PLR0917 - one parameter for each column of the table above
    committed_app: FastAPI,
    committed_client: httpx.AsyncClient,
    fakes: Fakes,
    status: int,
    answered: int,
    stored: str,
    tasks: list[str],
) -> None:
    """In development, a downstream call raises an error if the request holds a database connection."""
    keys: set[str] = set()

    def receive(request: httpx.Request) -> httpx.Response:
        keys.add(request.headers["idempotency-key"])
        return httpx.Response(status, json={"reference": "P-7"})

    fakes["rates"] = receive
    started.clear()
    committed_app.include_router(router)
    number = await place(committed_client)
    answer = await committed_client.post(f"/orders/{number}/payment")
    resources: Resources = committed_app.state.resources
    await until(lambda: not resources.supervisor.running)

    assert (answer.status_code, keys) == (answered, {f"payment-of-order-{number}"})
    assert await resources.reader.scalar(FIND, {"number": number}) == stored
    assert started == tasks

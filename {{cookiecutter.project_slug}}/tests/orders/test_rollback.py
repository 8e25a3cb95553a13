"""A write of an order whose transaction fails stores nothing."""

from fastapi import APIRouter, FastAPI

from app.dependencies import WriteSession
from app.errors import Conflict
from app.orders import service
from app.orders.schemas import OrderIn
from tests.http_client import httpx
from tests.orders.conftest import ORDER

router = APIRouter()


@router.post("/conflicts", status_code=201)
async def fail_after_a_write(order: OrderIn, session: WriteSession) -> None:
    """Place an order, then raise a conflict."""
    await service.place(session, order)
    raise Conflict("The order conflicts with a different order.")


async def test_a_conflict_after_a_write_stores_nothing(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    committed_app.include_router(router)

    answer = await committed_client.post("/conflicts", json=ORDER)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await committed_client.get("/api/v1/orders")).json() == {"orders": [], "next": None}

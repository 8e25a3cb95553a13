"""The HTTP routes of orders: paths, parameters and statuses. The rules of orders are in `service.py`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.dependencies import STRICT, IdempotentDep, ReadSession, SupervisorDep, WriteSession
from app.orders import service
from app.orders.dependencies import RatesDep
from app.orders.schemas import (
    MAX_ID,
    Dashboard,
    OrderIn,
    OrderOut,
    OrderPage,
    OrderTotal,
    PageQuery,
    StateIn,
    TotalQuery,
)
from app.web.openapi import LOCATION, documented_errors

router = APIRouter(prefix="/api/v1", tags=["orders"])

OrderId = Annotated[int, Path(ge=1, le=MAX_ID)]


# FastAPI tries the routes in order, so each route delays all later routes: routes with the most requests come first.
@router.get("/orders/{order_id}", responses=documented_errors(404), dependencies=STRICT)
async def read_order(order_id: OrderId, session: ReadSession) -> OrderOut:
    """Read an order with all lines."""
    return await service.get(session, order_id)


@router.post(
    "/orders",
    status_code=201,
    response_model=OrderOut,
    responses=documented_errors(409) | {201: LOCATION},
    dependencies=STRICT,
)
async def create_order(order: OrderIn, session: WriteSession, idempotent: IdempotentDep, request: Request) -> Response:
    """Place an order; repeated requests with the same `Idempotency-Key` place only one order."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    placed = await service.place(session, order)
    location = request.url_for("read_order", order_id=placed.id).path
    return await idempotent.answer(session, placed, status=201, headers={"location": location})


@router.get("/orders")
async def list_orders(session: ReadSession, query: Annotated[PageQuery, Query()]) -> OrderPage:
    """List orders, newest first, by keyset pagination: new rows do not shift the pages."""
    return await service.page(session, limit=query.limit, after=query.after)


@router.patch("/orders/{order_id}", response_model=OrderOut, responses=documented_errors(404, 409), dependencies=STRICT)
async def change_order_state(
    order_id: OrderId, change: StateIn, session: WriteSession, idempotent: IdempotentDep, supervisor: SupervisorDep
) -> Response:
    """Change the state of an order: placed, paid, shipped; or cancelled before shipping."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    changed = await service.change_state(session, supervisor, order_id, change.state)
    return await idempotent.answer(session, changed, status=200, headers={})


@router.delete("/orders/{order_id}", status_code=204, responses=documented_errors(404, 409), dependencies=STRICT)
async def delete_order(order_id: OrderId, session: WriteSession, idempotent: IdempotentDep) -> Response:
    """Delete an order with all lines."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    await service.delete(session, order_id)
    return await idempotent.answer(session, None, status=204, headers={})


@router.get("/orders/{order_id}/total", responses=documented_errors(404, 502))
async def read_order_total(
    order_id: OrderId, query: Annotated[TotalQuery, Query()], session: ReadSession, rates: RatesDep
) -> OrderTotal:
    """Return the total of an order, converted into a different currency."""
    total = await service.total(session, rates, order_id, query.currency)
    return OrderTotal(order_id=order_id, amount=total.amount, currency=query.currency, rate=total.rate)


@router.get("/dashboard", dependencies=STRICT)
async def read_dashboard(session: ReadSession, rates: RatesDep) -> Dashboard:
    """Count the latest orders by state, list the latest five, and fetch an exchange rate, all concurrently."""
    overview = await service.overview(session, rates)
    return Dashboard(
        orders_by_state=overview.orders_by_state,
        latest=overview.latest,
        usd_to_eur=overview.usd_to_eur,
        missing=["usd_to_eur"] if overview.usd_to_eur is None else [],
    )

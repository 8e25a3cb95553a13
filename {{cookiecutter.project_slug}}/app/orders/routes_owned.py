"""The HTTP routes of orders: paths, parameters and statuses. The rules of orders are in `service.py`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.dependencies import STRICT, IdempotentDep, ReadSession, SupervisorDep, WriteSession
from app.http_caching.conditional import UNCHANGED, ConditionalReadDep, ConditionalWriteDep
from app.orders import service_owned as service
from app.orders.dependencies import RatesDep
from app.orders.models_owned import OrderState
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
from app.rate_limits.gcra import Policy
from app.rate_limits.limited import limited
from app.request.authenticated import Principal, needs
from app.web.openapi import LOCATION, documented_errors

LIMIT = Policy("orders", quota=60_000, seconds=60, shared=False)
"""The rate limit of each client in each worker, against floods: 60,000 requests a minute. For an exact limit over all
workers, leave out `shared=False`; each request then costs a round trip to the store of the counters."""

router = APIRouter(prefix="/api/v1", tags=["orders"], dependencies=[limited(LIMIT)], responses=documented_errors(429))

OrderId = Annotated[int, Path(ge=1, le=MAX_ID)]
MayRead = Annotated[Principal, needs("orders:read")]
MayWrite = Annotated[Principal, needs("orders:write")]


# FastAPI tries the routes in order, so each route delays all later routes: routes with the most requests come first.
@router.get(
    "/orders/{order_id}", response_model=OrderOut, responses=documented_errors(404) | UNCHANGED, dependencies=STRICT
)
async def read_order(
    order_id: OrderId, session: ReadSession, principal: MayRead, condition: ConditionalReadDep
) -> OrderOut | Response:
    """Read an order with all lines; 304 if If-None-Match names the current version."""
    version = partial(service.version, session, order_id, owner=principal.owner)
    if (unchanged := await condition.unchanged(version)) is not None:
        return unchanged
    order, current = await service.get_versioned(session, order_id, owner=principal.owner)
    condition.tag(current)
    return order


@router.post(
    "/orders",
    status_code=201,
    response_model=OrderOut,
    responses=documented_errors(409) | {201: LOCATION},
    dependencies=STRICT,
)
async def create_order(
    order: OrderIn, session: WriteSession, idempotent: IdempotentDep, principal: MayWrite, request: Request
) -> Response:
    """Place an order; repeated requests with the same `Idempotency-Key` place only one order."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    placed = await service.place(session, order, owner=principal.owner)
    location = request.url_for("read_order", order_id=placed.id).path
    return await idempotent.answer(session, placed, status=201, headers={"location": location})


@router.get("/orders")
async def list_orders(session: ReadSession, principal: MayRead, query: Annotated[PageQuery, Query()]) -> OrderPage:
    """List orders, newest first, by keyset pagination: new rows do not shift the pages."""
    return await service.page(session, owner=principal.owner, limit=query.limit, after=query.after)


@router.patch(
    "/orders/{order_id}", response_model=OrderOut, responses=documented_errors(404, 409, 412), dependencies=STRICT
)
async def change_order_state(  # noqa: PLR0913, PLR0917 - each argument is a separate dependency
    order_id: OrderId,
    change: StateIn,
    session: WriteSession,
    idempotent: IdempotentDep,
    supervisor: SupervisorDep,
    principal: MayWrite,
    condition: ConditionalWriteDep,
) -> Response:
    """Change the state of an order: placed, paid, shipped, or cancelled; 412 if If-Match names an older version."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    await condition.check(partial(service.lock_version, session, order_id, owner=principal.owner))
    changed = await service.change_state(session, supervisor, order_id, OrderState(change.state), owner=principal.owner)
    return await idempotent.answer(session, changed, status=200, headers={})


@router.delete("/orders/{order_id}", status_code=204, responses=documented_errors(404, 409, 412), dependencies=STRICT)
async def delete_order(
    order_id: OrderId,
    session: WriteSession,
    idempotent: IdempotentDep,
    principal: MayWrite,
    condition: ConditionalWriteDep,
) -> Response:
    """Delete an order with all lines; 412 if If-Match names an older version."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    await condition.check(partial(service.lock_version, session, order_id, owner=principal.owner))
    await service.delete(session, order_id, owner=principal.owner)
    return await idempotent.answer(session, None, status=204, headers={})


@router.get("/orders/{order_id}/total", responses=documented_errors(404, 502))
async def read_order_total(
    order_id: OrderId,
    query: Annotated[TotalQuery, Query()],
    session: ReadSession,
    rates: RatesDep,
    principal: MayRead,
) -> OrderTotal:
    """Return the total of an order, converted into a different currency."""
    total = await service.total(session, rates, order_id, query.currency, owner=principal.owner)
    return OrderTotal(order_id=order_id, amount=total.amount, currency=query.currency, rate=total.rate)


@router.get("/dashboard", dependencies=STRICT)
async def read_dashboard(session: ReadSession, rates: RatesDep, principal: MayRead) -> Dashboard:
    """Count the latest orders by state, list the latest five, and fetch an exchange rate, all concurrently."""
    overview = await service.overview(session, rates, owner=principal.owner)
    return Dashboard(
        orders_by_state=overview.orders_by_state,
        latest=overview.latest,
        usd_to_eur=overview.usd_to_eur,
        missing=["usd_to_eur"] if overview.usd_to_eur is None else [],
    )

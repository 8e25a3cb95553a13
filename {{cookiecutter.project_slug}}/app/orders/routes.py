"""The HTTP of orders: paths, parameters and statuses. The work is in `service.py`."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from app.dependencies import OffloadDep, OnceDep, ReadSession, WriteSession
from app.orders import service
from app.orders.dependencies import PictureType, RatesDep
from app.orders.models import Order
from app.orders.schemas import (
    PICTURE_FORMATS,
    Currency,
    Dashboard,
    OrderIn,
    OrderOut,
    OrderPage,
    OrderSummary,
    OrderTotal,
    OrderValue,
    StateIn,
)
from app.problems import problems

router = APIRouter(prefix="/api/v1", tags=["orders"])

OrderId = Annotated[int, Path(ge=1, le=2**63 - 1)]  # the range of the column: PostgreSQL fails on more
After = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="An id, as `next` has it: only older orders.")]


class GzipFile(Response):
    """A file that stays compressed, unlike an answer with a `Content-Encoding`."""

    media_type = "application/gzip"


class WebpPicture(Response):
    """A picture."""

    media_type = "image/webp"


BINARY = {"schema": {"type": "string", "format": "binary"}}
PICTURE: dict[str, Any] = {"requestBody": {"required": True, "content": dict.fromkeys(PICTURE_FORMATS, BINARY)}}
"""FastAPI describes the bodies that it reads itself; this one arrives in pieces."""


# The busiest first: each route is tried for every request to a later one.
@router.get("/orders/{order_id}", response_model=OrderOut, responses=problems(404))
async def read_order(order_id: OrderId, session: ReadSession) -> Order:
    """Read an order with its lines."""
    return await service.get(session, order_id)


@router.post("/orders", status_code=201, response_model=OrderOut, responses=problems(409))
async def create_order(order: OrderIn, session: WriteSession, once: OnceDep, request: Request) -> Response:
    """Place an order; with an `Idempotency-Key` once, however often the request arrives."""
    if (answered := await once.answered(session)) is not None:
        return answered
    placed = OrderOut.model_validate(await service.place(session, order))
    location = request.url_for("read_order", order_id=placed.id).path
    return await once.answer(session, placed, status=201, headers={"location": location})


@router.get("/orders")
async def list_orders(
    session: ReadSession, limit: Annotated[int, Query(ge=1, le=100)] = 50, after: After = None
) -> OrderPage:
    """List orders, newest first. Pages follow the key, so a new order neither repeats nor hides another one."""
    rows, following = await service.page(session, limit=limit, after=after)
    return OrderPage(orders=[OrderSummary.model_validate(row) for row in rows], next=following)


@router.patch("/orders/{order_id}", response_model=OrderOut, responses=problems(404, 409))
async def change_order_state(order_id: OrderId, change: StateIn, session: WriteSession) -> Order:
    """Move an order to its next state: placed, paid, shipped; or cancelled before it is shipped."""
    return await service.change_state(session, order_id, change.state)


@router.delete("/orders/{order_id}", status_code=204, responses=problems(404))
async def delete_order(order_id: OrderId, session: WriteSession) -> None:
    """Delete an order with its lines."""
    await service.delete(session, order_id)


@router.get("/orders/{order_id}/total", responses=problems(404, 502, 504))
async def read_order_total(order_id: OrderId, currency: Currency, session: ReadSession, rates: RatesDep) -> OrderTotal:
    """Convert what an order costs."""
    total = await service.total(session, rates, order_id, currency)
    return OrderTotal(order_id=order_id, amount=total.amount, currency=currency, rate=total.rate)


@router.get("/dashboard")
async def read_dashboard(session: ReadSession, rates: RatesDep) -> Dashboard:
    """Count the orders, list the latest and ask for a rate, all three at once."""
    overview = await service.overview(session, rates)
    return Dashboard(
        orders_by_state=overview.orders_by_state,
        latest=[OrderSummary.model_validate(row) for row in overview.latest],
        usd_to_eur=overview.usd_to_eur,
        missing=["usd_to_eur"] if overview.usd_to_eur is None else [],
    )


# No `/orders/export`: it would have to stand before `/orders/{order_id}`, and each read of an order would try it first.
@router.get("/orders.jsonl.gz", response_class=GzipFile)
async def export_orders(session: ReadSession, offload: OffloadDep, after: After = None) -> GzipFile:
    """Export orders, newest first, as JSON Lines in a gzip file. To go on, pass the last id as `after`."""
    return GzipFile(await service.export(session, offload, after=after))


@router.get("/order-value", responses=problems(404))
async def read_order_value(currency: Currency, session: ReadSession, offload: OffloadDep) -> OrderValue:
    """Estimate what an order is worth on average, from the latest ones."""
    found = await service.order_value(session, offload, currency)
    return OrderValue(currency=currency, orders=found.size, mean=found.mean, low=found.low, high=found.high)


@router.post(
    "/thumbnails",
    response_class=WebpPicture,
    responses={200: {"content": {"image/webp": BINARY}}, **problems(415)},
    openapi_extra=PICTURE,
)
async def make_thumbnail(picture_type: PictureType, request: Request, offload: OffloadDep) -> WebpPicture:
    """Make a small copy of a product's picture, for lists. Nothing is stored."""
    return WebpPicture(await service.thumbnail(offload, request.stream(), picture_type))

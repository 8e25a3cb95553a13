"""What can be done with orders. Knows the rules, not HTTP, and no SQL."""

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from app.database import ReadWriteSession
from app.errors import Conflict, NotFound
from app.fanout import at_once
from app.offload import Offload
from app.orders import repository
from app.orders.export import pack
from app.orders.interval import Estimate, estimate
from app.orders.models import Order, OrderLine, OrderState
from app.orders.rates import Rates
from app.orders.repository import SummaryRow
from app.orders.schemas import OrderIn
from app.reader import AnySession, Reader

CENT = Decimal("0.01")
DIGITS = 60  # the largest order times the longest rate; decimal's own 28 would round on the way
LATEST = 5

EXPORTED = 2000
"""To read them takes 6 ms of the event loop, to pack them 11 ms of a thread. Who wants more asks again with `after`."""

SAMPLED = 1000
"""To read their totals takes 7 ms of the event loop, to compute with them 0.1 s of a process."""

# Which states may come before: a shipped order is never cancelled, and nothing goes back.
ALLOWED_FROM: Mapping[OrderState, frozenset[OrderState]] = {
    OrderState.PLACED: frozenset(),
    OrderState.PAID: frozenset({OrderState.PLACED}),
    OrderState.SHIPPED: frozenset({OrderState.PAID}),
    OrderState.CANCELLED: frozenset({OrderState.PLACED, OrderState.PAID}),
}


@dataclass(frozen=True, slots=True)
class Total:
    """What an order costs in another currency, and the rate that was used."""

    amount: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of the dashboard."""

    orders_by_state: dict[OrderState, int]
    latest: Sequence[SummaryRow]
    usd_to_eur: Decimal | None
    """None when the rate did not come: the rest is of use without it."""


async def place(session: ReadWriteSession, order: OrderIn) -> Order:
    """Store a new order."""
    lines = [
        OrderLine(position=position, sku=line.sku, quantity=line.quantity, unit_price=line.unit_price)
        for position, line in enumerate(order.lines, start=1)
    ]
    return await repository.add(session, Order(customer=order.customer, currency=order.currency, lines=lines))


async def get(session: AnySession, order_id: int) -> Order:
    """Return an order with its lines.

    Raises:
        NotFound: there is none.
    """
    order = await repository.find(session, order_id)
    if order is None:
        raise NotFound(f"There is no order {order_id}.")
    return order


async def page(session: AnySession, *, limit: int, after: int | None) -> tuple[Sequence[SummaryRow], int | None]:
    """Return a page and the key that the next one starts after; one row more than asked tells whether there is one."""
    rows = await repository.newest(session, limit=limit + 1, before=after)
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None


async def change_state(session: ReadWriteSession, order_id: int, state: OrderState) -> Order:
    """Move an order to its next state.

    Raises:
        NotFound: there is none.
        Conflict: it cannot go there from the state that it is in.
    """
    moved = await repository.move(session, order_id, to=state, allowed_from=ALLOWED_FROM[state])
    order = await get(session, order_id)
    if not moved:
        raise Conflict(f"Order {order_id} is {order.state} and cannot become {state}.")
    return order


async def delete(session: ReadWriteSession, order_id: int) -> None:
    """Delete an order.

    Raises:
        NotFound: there is none.
    """
    if not await repository.remove(session, order_id):
        raise NotFound(f"There is no order {order_id}.")


async def total(reader: Reader, rates: Rates, order_id: int, currency: str) -> Total:
    """Return what an order costs in this currency, rounded half-even to cents once, at the end.

    Raises:
        NotFound: there is no such order.
        Invalid: there is no rate for this pair.
        DownstreamError: the rates did not come.
    """
    order = await get(reader, order_id)  # the connection is back already: a slow neighbour must not hold our database
    rate = await rates.rate(order.currency, currency)
    with localcontext(prec=DIGITS):
        exact = sum((line.quantity * line.unit_price for line in order.lines), start=Decimal(0))
        return Total(amount=(exact * rate).quantize(CENT, rounding=ROUND_HALF_EVEN), rate=rate)


async def overview(reader: Reader, rates: Rates) -> Overview:
    """Ask three sources at once; the slowest alone sets the time."""
    found = await at_once(
        counts=repository.count_by_state(reader),
        latest=repository.newest(reader, limit=LATEST),
        rate=rates.rate("USD", "EUR"),
    )
    return Overview(found["counts"].or_raise(), found["latest"].or_raise(), found["rate"].or_else(None))


async def export(reader: Reader, offload: Offload, *, after: int | None) -> bytes:
    """Return the newest orders that are older than `after` as a gzip file; a thread compresses it.

    Raises:
        Unavailable: too many exports are being made.
    """
    rows = await repository.newest(reader, limit=EXPORTED, before=after)
    return await offload.blocking(pack, rows)


async def order_value(reader: Reader, offload: Offload, currency: str) -> Estimate:
    """Return what an order in this currency is worth on average; another process computes how sure that is.

    Raises:
        NotFound: none of the latest orders is in this currency.
        Unavailable: too many such questions are being answered.
    """
    totals = await repository.totals(reader, currency=currency, among=SAMPLED)
    if not totals:
        raise NotFound(f"None of the latest {SAMPLED} orders is in {currency}.")
    return await offload.cpu(estimate, totals)


async def thumbnail(offload: Offload, upload: AsyncIterable[bytes], media_type: str) -> bytes:
    """Return a small WEBP of an uploaded picture; a thread makes it.

    Raises:
        Invalid: it has too many pixels, or is no whole picture of this type.
        Unavailable: too many are being made.
    """
    picture = bytearray()
    async for (
        chunk
    ) in upload:  # in memory: the family `uploads` bounds the bytes of each, and how many are read at once
        picture += chunk
    return await offload.blocking(_shrink, picture, media_type)


def _shrink(picture: bytearray, media_type: str) -> bytes:
    """Import Pillow with the first picture: it takes 2 MB of each worker. Here in a thread nobody waits for that."""
    from app.orders import pictures  # noqa: PLC0415

    return pictures.thumbnail(picture, media_type)

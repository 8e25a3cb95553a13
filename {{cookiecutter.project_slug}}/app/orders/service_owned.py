"""The business rules of orders: which state may follow which, totals, the dashboard. No HTTP and no SQL is here."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import structlog

from app.database.engine import ReadWriteSession
from app.database.reader import AnySession, Reader
from app.errors import Conflict, NotFound
from app.orders import repository_owned as repository
from app.orders.models_owned import OrderState
from app.orders.rates import Rates
from app.orders.schemas import OrderIn, OrderOut, OrderPage, OrderSummary
from app.work.background import Supervisor
from app.work.gather import gather_outcomes

CENT = Decimal("0.01")
# The number of digits in the computation of totals: the largest total has 20, which leaves 40 for the exchange rate.
# The default of Python's `decimal`, 28 digits, would round.
DIGITS = 60
LATEST = 5
"""The number of orders in the dashboard's list, which fit on a screen beside the counts."""

COUNTED = 1000
"""The number of latest orders that the dashboard counts by state, in a millisecond. To count all orders would take
longer and longer as the table grows."""

FIELDS = 1
"""The version number of the fields of `OrderOut`, a part of each ETag.

Increase the number when the fields change: else a client that has the old fields would get 304 for ever."""

log = structlog.get_logger("orders")

# For each new state, the states from which an order may change: a shipped order cannot be cancelled.
ALLOWED_FROM: Mapping[OrderState, frozenset[OrderState]] = {
    OrderState.PLACED: frozenset(),
    OrderState.PAID: frozenset({OrderState.PLACED}),
    OrderState.SHIPPED: frozenset({OrderState.PAID}),
    OrderState.CANCELLED: frozenset({OrderState.PLACED, OrderState.PAID}),
}


@dataclass(frozen=True, slots=True)
class Total:
    """The total of an order in a different currency, with the exchange rate."""

    amount: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Overview:
    """The content of the dashboard: orders by state, the latest orders, and an exchange rate."""

    orders_by_state: dict[str, int]
    latest: list[OrderSummary]
    usd_to_eur: Decimal | None
    """The exchange rate; None when the downstream failed, as the rest of the dashboard is useful without a rate."""


async def place(session: ReadWriteSession, order: OrderIn, *, owner: str) -> OrderOut:
    """Store a new order."""
    return await repository.add(session, order, owner=owner)


async def get(session: AnySession, order_id: int, *, owner: str) -> OrderOut:
    """Return an order with all lines.

    Raises:
        NotFound: the owner has no order with this id.
    """
    order, _version = await get_versioned(session, order_id, owner=owner)
    return order


async def get_versioned(session: AnySession, order_id: int, *, owner: str) -> tuple[OrderOut, str]:
    """Return an order with all lines, and its version for an ETag.

    Raises:
        NotFound: the owner has no order with this id.
    """
    found = await repository.find(session, order_id, owner=owner)
    if found is None:
        raise NotFound(f"There is no order {order_id}.")
    return found[0], f"{FIELDS}-{found[1]}"


async def version(session: AnySession, order_id: int, *, owner: str) -> str:
    """Return the version of an order for an ETag, which is much cheaper to read than the order.

    Raises:
        NotFound: the owner has no order with this id.
    """
    found = await repository.version(session, order_id, owner=owner)
    if found is None:
        raise NotFound(f"There is no order {order_id}.")
    return f"{FIELDS}-{found}"


async def lock_version(session: ReadWriteSession, order_id: int, *, owner: str) -> str:
    """Return the version of an order for an ETag, and lock the order against changes until the transaction ends.

    Raises:
        NotFound: the owner has no order with this id.
    """
    found = await repository.lock_version(session, order_id, owner=owner)
    if found is None:
        raise NotFound(f"There is no order {order_id}.")
    return f"{FIELDS}-{found}"


async def page(session: AnySession, *, owner: str, limit: int, after: int | None) -> OrderPage:
    """Return a page of orders, and the id after which the next page starts, None for the last page."""
    rows = await repository.newest(session, owner=owner, limit=limit + 1, before=after)
    return OrderPage(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


async def change_state(
    session: ReadWriteSession, supervisor: Supervisor, order_id: int, state: OrderState, *, owner: str
) -> OrderOut:
    """Change the state of an order, if the current state allows the new state; tell the customer of a shipped order.

    Raises:
        NotFound: the owner has no order with this id.
        Conflict: the current state of the order does not allow the new state.
    """
    moved = await repository.move(session, order_id, owner=owner, to=state, allowed_from=ALLOWED_FROM[state])
    order = await get(session, order_id, owner=owner)
    if not moved:
        raise Conflict(f"Order {order_id} is {order.state} and cannot become {state}.")
    if state == OrderState.SHIPPED:
        supervisor.start("tell the customer", tell_customer(order))  # starts after the commit, never after a rollback
    return order


async def tell_customer(order: OrderOut) -> None:
    """Tell the customer that the order was shipped, in a background task; a real service would send a message here."""
    log.info("customer told about the order", order=order.id)


async def delete(session: ReadWriteSession, order_id: int, *, owner: str) -> None:
    """Delete an order with all lines.

    Raises:
        NotFound: the owner has no order with this id.
    """
    if not await repository.remove(session, order_id, owner=owner):
        raise NotFound(f"There is no order {order_id}.")


async def total(reader: Reader, rates: Rates, order_id: int, currency: str, *, owner: str) -> Total:
    """Return the total of an order in the currency `currency`, rounded half-even to cents once, at the end.

    Raises:
        NotFound: the owner has no order with this id.
        Invalid: there is no rate for this pair of currencies.
        DownstreamError: the exchange rate could not be fetched.
    """
    order = await get(reader, order_id, owner=owner)  # no connection is held from here on, during the downstream call
    rate = await rates.rate(order.currency, currency)
    with localcontext(prec=DIGITS):
        exact = sum((line.quantity * line.unit_price for line in order.lines), start=Decimal(0))
        return Total(amount=(exact * rate).quantize(CENT, rounding=ROUND_HALF_EVEN), rate=rate)


async def overview(reader: Reader, rates: Rates, *, owner: str) -> Overview:
    """Return the content of the dashboard; two queries and a call to a downstream run concurrently."""
    found = await gather_outcomes(
        counts=repository.count_by_state(reader, owner=owner, among=COUNTED),
        latest=repository.newest(reader, owner=owner, limit=LATEST),
        rate=rates.rate("USD", "EUR"),
    )
    return Overview(found["counts"].or_raise(), found["latest"].or_raise(), found["rate"].or_else(None))

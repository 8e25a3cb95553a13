"""The SQL of orders: statements in, rows out. Only a session that may write is taken by a function that writes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Integer, bindparam, delete, func, select, update
from sqlalchemy.orm import joinedload

from app.database import ReadWriteSession
from app.orders.models import Order, OrderLine, OrderState
from app.reader import AnySession

# Built once: building a statement takes longer than looking up how it was compiled.
FIND = select(Order).where(Order.id == bindparam("order_id")).options(joinedload(Order.lines))
NEWEST = (
    select(Order.id, Order.customer, Order.currency, Order.state, Order.created_at)
    .order_by(Order.id.desc())
    .limit(bindparam("limit", type_=Integer))
)
NEWEST_BEFORE = NEWEST.where(Order.id < bindparam("before"))
COUNT_BY_STATE = select(Order.state, func.count()).group_by(Order.state)
LATEST = select(Order.id, Order.currency).order_by(Order.id.desc()).limit(bindparam("among", type_=Integer)).subquery()
TOTALS = (
    select(func.sum(OrderLine.unit_price * OrderLine.quantity))
    .join(LATEST, LATEST.c.id == OrderLine.order_id)
    .where(LATEST.c.currency == bindparam("currency"))
    .group_by(OrderLine.order_id)
    .order_by(OrderLine.order_id)
)


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """An order without its lines, as columns: a list needs no entities."""

    id: int
    customer: str
    currency: str
    state: str
    created_at: datetime


async def add(session: ReadWriteSession, order: Order) -> Order:
    """Store an order with its lines; the database's defaults come back with the INSERT."""
    session.add(order)
    await session.flush()
    return order


async def find(session: AnySession, order_id: int) -> Order | None:
    """Return one order with its lines, in one statement."""
    return (await session.scalars(FIND, {"order_id": order_id})).unique().one_or_none()


async def newest(session: AnySession, *, limit: int, before: int | None = None) -> Sequence[SummaryRow]:
    """Return summaries, newest first, that are older than `before`; the index on the key finds the place."""
    if before is None:
        rows = await session.execute(NEWEST, {"limit": limit})
    else:
        rows = await session.execute(NEWEST_BEFORE, {"limit": limit, "before": before})
    return [SummaryRow(*row) for row in rows]


async def count_by_state(session: AnySession) -> dict[OrderState, int]:
    """Return how many orders are in each state that occurs."""
    rows = await session.execute(COUNT_BY_STATE)
    return {OrderState(state): count for state, count in rows}


async def totals(session: AnySession, *, currency: str, among: int) -> Sequence[Decimal]:
    """Return what orders in this currency cost, looking at so many of the latest: the work is bounded by them."""
    return (await session.scalars(TOTALS, {"currency": currency, "among": among})).all()


async def move(
    session: ReadWriteSession, order_id: int, *, to: OrderState, allowed_from: Collection[OrderState]
) -> bool:
    """Change the state if it is one of these; the check and the change are one statement, so no race lies between."""
    statement = update(Order).where(Order.id == order_id, Order.state.in_(allowed_from)).values(state=to)
    moved = await session.scalar(statement.returning(Order.id))
    return moved is not None


async def remove(session: ReadWriteSession, order_id: int) -> bool:
    """Delete an order, its lines with it; tell whether it was there."""
    return await session.scalar(delete(Order).where(Order.id == order_id).returning(Order.id)) is not None

"""The SQL of orders. A function that writes takes a `ReadWriteSession`; a function that reads takes any session."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, bindparam, delete, func, select, update
from sqlalchemy.orm import joinedload

from app.database.engine import ReadWriteSession
from app.database.reader import AnySession
from app.orders.models import Order, OrderState

# Statements are built once, at import: building takes longer than finding the compiled SQL in SQLAlchemy's cache.
FIND = select(Order).where(Order.id == bindparam("order_id")).options(joinedload(Order.lines))
NEWEST = (
    select(Order.id, Order.customer, Order.currency, Order.state, Order.created_at)
    .order_by(Order.id.desc())
    .limit(bindparam("limit", type_=Integer))
)
NEWEST_BEFORE = NEWEST.where(Order.id < bindparam("before"))
LATEST_STATES = select(Order.state).order_by(Order.id.desc()).limit(bindparam("among", type_=Integer)).subquery()
COUNT_BY_STATE = select(LATEST_STATES.c.state, func.count().label("orders")).group_by(LATEST_STATES.c.state)


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """An order without lines, as plain columns: a list needs no ORM entities, which take longer to load."""

    id: int
    customer: str
    currency: str
    state: str
    created_at: datetime


async def add(session: ReadWriteSession, order: Order) -> Order:
    """Store an order with lines; the INSERT also returns the columns that the database fills, such as the id."""
    session.add(order)
    await session.flush()
    return order


async def find(session: AnySession, order_id: int) -> Order | None:
    """Return an order with all lines in one SQL statement, or None when there is no such order."""
    return (await session.scalars(FIND, {"order_id": order_id})).unique().one_or_none()


async def newest(session: AnySession, *, limit: int, before: int | None = None) -> Sequence[SummaryRow]:
    """Return orders without lines, newest first, with ids below `before`: keyset pagination on the primary key."""
    if before is None:
        rows = await session.execute(NEWEST, {"limit": limit})
    else:
        rows = await session.execute(NEWEST_BEFORE, {"limit": limit, "before": before})
    return [SummaryRow(*row) for row in rows]


async def count_by_state(session: AnySession, *, among: int) -> dict[str, int]:
    """Count the orders in each state among the latest orders; to count all would take longer as the table grows."""
    rows = await session.execute(COUNT_BY_STATE, {"among": among})
    return {row.state: row.orders for row in rows}


async def move(
    session: ReadWriteSession, order_id: int, *, to: OrderState, allowed_from: Collection[OrderState]
) -> bool:
    """Change an order's state if the current state is in `allowed_from`; one statement does both, without a race."""
    statement = update(Order).where(Order.id == order_id, Order.state.in_(allowed_from)).values(state=to)
    moved = await session.scalar(statement.returning(Order.id))
    return moved is not None


async def remove(session: ReadWriteSession, order_id: int) -> bool:
    """Delete an order with all lines; return False when there was no such order."""
    return await session.scalar(delete(Order).where(Order.id == order_id).returning(Order.id)) is not None

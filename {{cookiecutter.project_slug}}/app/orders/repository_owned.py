"""The SQL of orders. A function that writes takes a `ReadWriteSession`; a function that reads takes any session.

Each function takes the owner, and finds only rows of this owner. The type checker reports a call without an owner.
"""

from collections.abc import Collection

from sqlalchemy import (
    JSON,
    Integer,
    String,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)

from app.database.engine import ReadWriteSession
from app.database.reader import AnySession
from app.orders.models_owned import Order, OrderLine, OrderState
from app.orders.schemas import LineOut, OrderIn, OrderOut, OrderSummary

# Statements are built once, at import: SQLAlchemy compiles each once, and `Reader` then sends the SQL text to asyncpg.
SUMMARY = select(Order.id, Order.customer, Order.currency, Order.state, Order.created_at)
# The version of an order is `xmin`, the number of the transaction that wrote the row:
# PostgreSQL sets it at each UPDATE, so that no UPDATE can forget to increase a version.
XMIN = literal_column("orders.xmin::text", String).label("version")
FIND = (
    SUMMARY.add_columns(XMIN, OrderLine.sku, OrderLine.quantity, OrderLine.unit_price)
    .outerjoin(OrderLine)
    .where(Order.id == bindparam("order_id"), Order.owner == bindparam("owner"))
    .order_by(OrderLine.position)
)
NEWEST = (
    SUMMARY.where(Order.owner == bindparam("owner")).order_by(Order.id.desc()).limit(bindparam("limit", type_=Integer))
)
NEWEST_BEFORE = NEWEST.where(Order.id < bindparam("before"))
LATEST = select(Order.state).where(Order.owner == bindparam("owner")).order_by(Order.id.desc())
LATEST_STATES = LATEST.limit(bindparam("among", type_=Integer)).subquery()
COUNT_BY_STATE = select(LATEST_STATES.c.state, func.count().label("orders")).group_by(LATEST_STATES.c.state)

VERSION = select(XMIN).select_from(Order).where(Order.id == bindparam("order_id"), Order.owner == bindparam("owner"))
LOCK_VERSION = VERSION.with_for_update()

# A single INSERT statement stores an order with all lines: PostgreSQL turns a JSON array into the rows of the lines.
PLACED = (
    insert(Order)
    .values(
        owner=bindparam("owner"),
        customer=bindparam("customer"),
        currency=bindparam("currency"),
        state=OrderState.PLACED,
    )
    .returning(Order.id, Order.state, Order.created_at)
    .cte("placed")
)
COLUMNS = (OrderLine.position, OrderLine.sku, OrderLine.quantity, OrderLine.unit_price)
LINES = (
    func.json_to_recordset(bindparam("lines", type_=JSON))
    .table_valued(*(column(line.key, line.type) for line in COLUMNS), name="lines")
    .render_derived(with_types=True)
)
ADD_LINES = insert(OrderLine).from_select(
    [OrderLine.order_id, *COLUMNS], select(PLACED.c.id, *LINES.c).join_from(PLACED, LINES, true())
)
ADD = select(PLACED).add_cte(ADD_LINES.cte("added"))


async def add(session: ReadWriteSession, order: OrderIn, *, owner: str) -> OrderOut:
    """Store an order with lines; the INSERT also returns the columns that the database fills, such as the id."""
    lines = [LineOut(line.sku, line.quantity, line.unit_price) for line in order.lines]
    values = {
        "owner": owner,
        "customer": order.customer,
        "currency": order.currency,
        "lines": [
            # the price as text: a JSON number would have to be made from a float, which is inexact
            {"position": position, "sku": line.sku, "quantity": line.quantity, "unit_price": str(line.unit_price)}
            for position, line in enumerate(lines, start=1)
        ],
    }
    order_id, state, created_at = (await session.execute(ADD, values)).one()
    return OrderOut(order_id, order.customer, order.currency, state, created_at, lines)


async def find(session: AnySession, order_id: int, *, owner: str) -> tuple[OrderOut, str] | None:
    """Return an order with all lines and its version in one SQL statement, None when the owner has no such order."""
    rows = (await session.execute(FIND, {"order_id": order_id, "owner": owner})).all()
    if not rows:
        return None
    order = rows[0]
    # for an order without lines, the LEFT JOIN gives a single row, with NULL in the columns of a line
    lines = [LineOut(*row[6:]) for row in rows if row.sku is not None]
    return OrderOut(order.id, order.customer, order.currency, order.state, order.created_at, lines), order.version


async def version(session: AnySession, order_id: int, *, owner: str) -> str | None:
    """Return the version of an order, None when the owner has no such order."""
    found: str | None = await session.scalar(VERSION, {"order_id": order_id, "owner": owner})
    return found


async def lock_version(session: ReadWriteSession, order_id: int, *, owner: str) -> str | None:
    """Lock an order until the transaction ends, and return its version, None when the owner has no such order.

    The lines of the order need no lock, as they never change.
    """
    return await session.scalar(LOCK_VERSION, {"order_id": order_id, "owner": owner})


async def newest(session: AnySession, *, owner: str, limit: int, before: int | None = None) -> list[OrderSummary]:
    """Return orders without lines, newest first, with ids below `before`: keyset pagination on an index."""
    if before is None:
        rows = await session.execute(NEWEST, {"owner": owner, "limit": limit})
    else:
        rows = await session.execute(NEWEST_BEFORE, {"owner": owner, "limit": limit, "before": before})
    return [OrderSummary(*row) for row in rows]


async def count_by_state(session: AnySession, *, owner: str, among: int) -> dict[str, int]:
    """Count the latest `among` orders by state; counting all orders would take longer and longer as the table grows."""
    rows = await session.execute(COUNT_BY_STATE, {"owner": owner, "among": among})
    return {row.state: row.orders for row in rows}


async def move(
    session: ReadWriteSession, order_id: int, *, owner: str, to: OrderState, allowed_from: Collection[OrderState]
) -> bool:
    """Change an order's state if the current state is in `allowed_from`; one statement does both, without a race."""
    own = update(Order).where(Order.id == order_id, Order.owner == owner)
    statement = own.where(Order.state.in_(allowed_from)).values(state=to)
    moved = await session.scalar(statement.returning(Order.id))
    return moved is not None


async def remove(session: ReadWriteSession, order_id: int, *, owner: str) -> bool:
    """Delete an order with all lines; return False when the owner had no such order."""
    own = delete(Order).where(Order.id == order_id, Order.owner == owner)
    return await session.scalar(own.returning(Order.id)) is not None

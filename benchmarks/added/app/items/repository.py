"""The SQL of items: statements in, rows out. A statement that never changes is built once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, insert, select

from app.database import ReadWriteSession
from app.items.models import Item
from app.reader import AnySession

ItemRow = Row[Any]
"""All columns of an item: nothing is changed on it, so no entity is needed."""

items = Item.metadata.tables[Item.__tablename__]

ADD = insert(items).returning(*items.c)
FIND = select(items).where(items.c.id == bindparam("id"))
NEWEST = select(items).order_by(items.c.id.desc()).limit(bindparam("limit"))
NEWEST_BEFORE = NEWEST.where(items.c.id < bindparam("before"))


async def add(session: ReadWriteSession, values: dict[str, Any]) -> ItemRow:
    """Store an item; what the database filled in comes back with the INSERT."""
    return (await session.execute(ADD, values)).one()


async def find(session: AnySession, item_id: int) -> ItemRow | None:
    """Return one item."""
    return (await session.execute(FIND, {"id": item_id})).one_or_none()


async def newest(session: AnySession, *, limit: int, before: int | None = None) -> Sequence[ItemRow]:
    """Return items, newest first, that are older than `before`; the index on the key finds the place."""
    if before is None:
        return (await session.execute(NEWEST, {"limit": limit})).all()
    return (await session.execute(NEWEST_BEFORE, {"limit": limit, "before": before})).all()

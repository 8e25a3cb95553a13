"""SQL of items: values in, rows out. A statement that never changes is built once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, insert, select

from app.database.engine import ReadWriteSession
from app.database.reader import AnySession
from app.items.models import Item

ItemRow = Row[Any]
"""All columns of an item; a row is enough, as no attribute is changed on it."""

items = Item.metadata.tables[Item.__tablename__]

ADD = insert(items).returning(*items.c)
FIND = select(items).where(items.c.id == bindparam("id"))
NEWEST = select(items).order_by(items.c.id.desc()).limit(bindparam("limit"))
NEWEST_BEFORE = NEWEST.where(items.c.id < bindparam("before"))


async def add(session: ReadWriteSession, values: dict[str, Any]) -> ItemRow:
    """Store an item; columns that the database filled in come back with the INSERT."""
    return (await session.execute(ADD, values)).one()


async def find(session: AnySession, item_id: int) -> ItemRow | None:
    """Return an item, or None."""
    return (await session.execute(FIND, {"id": item_id})).one_or_none()


async def newest(session: AnySession, *, limit: int, before: int | None = None) -> Sequence[ItemRow]:
    """Return items older than `before`, newest first: keyset pagination, which the index on the key serves."""
    if before is None:
        return (await session.execute(NEWEST, {"limit": limit})).all()
    return (await session.execute(NEWEST_BEFORE, {"limit": limit, "before": before})).all()

"""SQL statements on items: functions take values and return rows. Statements that never change are built once."""

from typing import Any

from sqlalchemy import bindparam, insert, select

from app.database.engine import ReadWriteSession
from app.database.reader import AnySession
from app.items.models import Item
from app.items.schemas import ItemOut

items = Item.metadata.tables[Item.__tablename__]

ADD = insert(items).returning(*items.c)
FIND = select(items).where(items.c.id == bindparam("id"))
NEWEST = select(items).order_by(items.c.id.desc()).limit(bindparam("limit"))
NEWEST_BEFORE = NEWEST.where(items.c.id < bindparam("before"))


async def add(session: ReadWriteSession, values: dict[str, Any]) -> ItemOut:
    """Store an item; the INSERT returns the columns that the database has filled in."""
    return ItemOut(*(await session.execute(ADD, values)).one())


async def find(session: AnySession, item_id: int) -> ItemOut | None:
    """Return an item, or None if no item has this id."""
    row = (await session.execute(FIND, {"id": item_id})).one_or_none()
    return None if row is None else ItemOut(*row)


async def newest(session: AnySession, *, limit: int, before: int | None = None) -> list[ItemOut]:
    """Return items older than `before`, newest first: keyset pagination on the index of the primary key."""
    if before is None:
        rows = await session.execute(NEWEST, {"limit": limit})
    else:
        rows = await session.execute(NEWEST_BEFORE, {"limit": limit, "before": before})
    return [ItemOut(*row) for row in rows]

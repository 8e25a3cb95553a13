"""What can be done with items. Knows the rules, not HTTP, and no SQL."""

from collections.abc import Sequence

from app.database import ReadWriteSession
from app.errors import NotFound
from app.items import repository
from app.items.repository import ItemRow
from app.items.schemas import ItemIn
from app.reader import AnySession


async def add(session: ReadWriteSession, item: ItemIn) -> ItemRow:
    """Store a new item."""
    return await repository.add(session, item.model_dump())


async def get(session: AnySession, item_id: int) -> ItemRow:
    """Return an item.

    Raises:
        NotFound: there is none.
    """
    row = await repository.find(session, item_id)
    if row is None:
        raise NotFound(f"There is no item {item_id}.")
    return row


async def page(session: AnySession, *, limit: int, after: int | None) -> tuple[Sequence[ItemRow], int | None]:
    """Return a page and the key that the next one starts after; one row more than asked tells whether there is one."""
    rows = await repository.newest(session, limit=limit + 1, before=after)
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None

"""Operations on items: the business rules, without HTTP and without SQL."""

from app.database.engine import ReadWriteSession
from app.database.reader import AnySession
from app.errors import NotFound
from app.items import repository
from app.items.schemas import ItemIn, ItemOut, ItemPage


async def add(session: ReadWriteSession, item: ItemIn) -> ItemOut:
    """Store a new item."""
    return await repository.add(session, item.model_dump())


async def get(session: AnySession, item_id: int) -> ItemOut:
    """Return an item.

    Raises:
        NotFound: no item has this id.
    """
    row = await repository.find(session, item_id)
    if row is None:
        raise NotFound(f"There is no item {item_id}.")
    return row


async def page(session: AnySession, *, limit: int, after: int | None) -> ItemPage:
    """Return a page of items, and the key of the next page if there is a next page.

    The query reads a row more than the page has: the additional row shows that a next page exists.
    """
    rows = await repository.newest(session, limit=limit + 1, before=after)
    return ItemPage(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)

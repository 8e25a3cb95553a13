"""Routes of items: paths, parameters and statuses. The work is in `service.py`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.dependencies import ReadSession, WriteSession
from app.items import service
from app.items.schemas import ItemIn, ItemOut, ItemPage, Kinds
from app.web.openapi import documented_errors

router = APIRouter(prefix="/api/v1", tags=["items"])

ItemId = Annotated[int, Path(ge=1, le=2**63 - 1)]
After = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


# The cheapest and busiest route comes first, as FastAPI compares a request with the routes in this order.
@router.get("/item-kinds")
async def list_kinds() -> Kinds:
    """List the kinds of items; the benchmarks' route without a database."""
    return Kinds(kinds=["book", "part", "tool"])


@router.get("/items/{item_id}", responses=documented_errors(404))
async def read_item(item_id: ItemId, session: ReadSession) -> ItemOut:
    """Read an item."""
    return await service.get(session, item_id)


@router.get("/items")
async def list_items(
    session: ReadSession, limit: Annotated[int, Query(ge=1, le=100)] = 50, after: After = None
) -> ItemPage:
    """List items, newest first."""
    return await service.page(session, limit=limit, after=after)


@router.post("/items", status_code=201)
async def create_item(item: ItemIn, session: WriteSession) -> ItemOut:
    """Add an item."""
    return await service.add(session, item)

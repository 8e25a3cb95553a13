"""The baseline `textbook`: a service as tutorials teach it, and as most services are.

One engine with all defaults, an AsyncSession from a yield dependency, entities through a response_model, and add +
commit + refresh. No middleware, no log, no limits.
"""

import os
from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, relationship, selectinload

from app.items.models import Item
from app.items.schemas import ItemIn, Kind
from app.orders import models
from app.orders.schemas import OrderIn

engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"))
session_factory = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


async def get_session() -> AsyncGenerator[AsyncSession]:
    """Yield a database session for the request."""
    async with session_factory() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


class Base(DeclarativeBase):
    """The declarative base of the entities."""


class OrderLine(Base):
    """A line of an order, as an entity on the service's table."""

    __table__ = models.OrderLine.__table__


class Order(Base):
    """An order with its lines, on the service's table."""

    __table__ = models.Order.__table__
    lines = relationship(OrderLine, order_by=OrderLine.__table__.c.position)


class FromEntity(BaseModel):
    """The base of response bodies that are read from an entity's attributes."""

    model_config = ConfigDict(from_attributes=True)


class ItemOut(FromEntity):
    """An item in a response."""

    id: int
    name: str
    kind: Kind
    price_cents: int
    in_stock: bool
    created_at: AwareDatetime


class ItemPage(FromEntity):
    """A page of items in a response."""

    items: list[ItemOut]
    next: int | None


class LineOut(FromEntity):
    """A line of an order in a response."""

    sku: str
    quantity: int
    unit_price: Decimal


class OrderOut(FromEntity):
    """An order with its lines in a response."""

    id: int
    customer: str
    currency: str
    state: str
    created_at: AwareDatetime
    lines: list[LineOut]


@app.get("/api/v1/items/{item_id}", response_model=ItemOut)
async def read_item(item_id: int, session: SessionDep) -> Item:
    """Read an item."""
    item = await session.get(Item, item_id)
    if item is None:
        raise HTTPException(404)
    return item


@app.post("/api/v1/items", status_code=201, response_model=ItemOut)
async def create_item(item_in: ItemIn, session: SessionDep) -> Item:
    """Add an item."""
    item = Item(**item_in.model_dump())
    session.add(item)
    await session.commit()
    await session.refresh(item)
    return item


@app.get("/api/v1/items", response_model=ItemPage)
async def list_items(session: SessionDep, limit: int = 50, after: int | None = None) -> dict[str, object]:
    """List items, newest first."""
    statement = select(Item).order_by(Item.id.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(Item.id < after)
    items: Sequence[Item] = (await session.scalars(statement)).all()
    return {"items": items[:limit], "next": items[limit - 1].id if len(items) > limit else None}


@app.post("/api/v1/orders", status_code=201, response_model=OrderOut)
async def create_order(order_in: OrderIn, session: SessionDep) -> Order:
    """Place an order."""
    lines = [OrderLine(position=place, **line.model_dump()) for place, line in enumerate(order_in.lines, start=1)]
    order = Order(customer=order_in.customer, currency=order_in.currency, lines=lines)
    session.add(order)
    await session.commit()
    await session.refresh(order)
    await session.refresh(order, ["lines"])
    return order


@app.get("/api/v1/orders/{order_id}", response_model=OrderOut)
async def read_order(order_id: int, session: SessionDep) -> Order:
    """Read an order with its lines."""
    order = await session.get(Order, order_id, options=[selectinload(Order.lines)])
    if order is None:
        raise HTTPException(404)
    return order

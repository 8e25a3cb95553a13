"""The SQL of products. A function that writes takes a `ReadWriteSession`; a function that reads takes any session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Integer, bindparam, select

from app.database.engine import ReadWriteSession
from app.database.reader import AnySession
from app.products.models import Product

# Statements are built once, at import: building takes longer than finding the compiled SQL in SQLAlchemy's cache.
NEWEST = (
    select(Product.id, Product.name, Product.currency, Product.price, Product.created_at)
    .order_by(Product.id.desc())
    .limit(bindparam("limit", type_=Integer))
)
NEWEST_BEFORE = NEWEST.where(Product.id < bindparam("before"))
LATEST = (
    select(Product.currency, Product.price)
    .order_by(Product.id.desc())
    .limit(bindparam("among", type_=Integer))
    .subquery()
)
PRICES = select(LATEST.c.price).where(LATEST.c.currency == bindparam("currency"))


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product as plain columns: an export needs no ORM entities."""

    id: int
    name: str
    currency: str
    price: str
    """The price as text, since JSON has no decimal type."""
    created_at: datetime


async def add(session: ReadWriteSession, product: Product) -> Product:
    """Store a product; the INSERT also returns the columns that the database fills, such as the id."""
    session.add(product)
    await session.flush()
    return product


async def newest(session: AnySession, *, limit: int, before: int | None = None) -> Sequence[ProductRow]:
    """Return products, newest first, with ids below `before`: keyset pagination on the primary key."""
    if before is None:
        rows = await session.execute(NEWEST, {"limit": limit})
    else:
        rows = await session.execute(NEWEST_BEFORE, {"limit": limit, "before": before})
    return [ProductRow(row.id, row.name, row.currency, str(row.price), row.created_at) for row in rows]


async def prices(session: AnySession, *, currency: str, among: int) -> Sequence[Decimal]:
    """Return the prices of the products in a currency, among the latest `among` products of all currencies."""
    return (await session.scalars(PRICES, {"currency": currency, "among": among})).all()

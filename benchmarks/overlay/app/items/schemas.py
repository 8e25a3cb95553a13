"""Request and response bodies of items."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

Kind = Literal["book", "part", "tool"]


class ItemIn(BaseModel):
    """A request body: an item to add."""

    name: str = Field(min_length=1, max_length=200)
    kind: Kind
    price_cents: int = Field(ge=0, le=2**31 - 1)
    in_stock: bool


@dataclass(slots=True)
class ItemOut:
    """An item in a response, made from a row of the table."""

    id: int
    name: str
    kind: Kind
    price_cents: int
    in_stock: bool
    created_at: datetime


@dataclass(slots=True)
class ItemPage:
    """A page of items, newest first, and the key of the next page."""

    items: list[ItemOut]
    next: int | None


class Kinds(BaseModel):
    """The kinds of items that a client may choose from."""

    kinds: list[Kind]

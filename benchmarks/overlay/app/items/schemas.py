"""Request and response bodies of items."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Kind = Literal["book", "part", "tool"]


class ItemIn(BaseModel):
    """An item of a request, to be added."""

    name: str = Field(min_length=1, max_length=200)
    kind: Kind
    price_cents: int = Field(ge=0, le=2**31 - 1)
    in_stock: bool


class ItemOut(BaseModel):
    """An item of an answer, read from the attributes of an entity or a row."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    kind: Kind
    price_cents: int
    in_stock: bool
    created_at: AwareDatetime


class ItemPage(BaseModel):
    """A page of items, newest first, and the key of the next page."""

    items: list[ItemOut]
    next: int | None


class Kinds(BaseModel):
    """Kinds that an item may have."""

    kinds: list[Kind]

"""What goes over the wire for orders. Money is a decimal string, times are UTC."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from app.orders.models import OrderState


def _as_stored(price: Decimal) -> Decimal:
    """Write 4.5 as 4.50 and -0 as 0.00, as the column does: the answer to a POST and to a GET are then the same."""
    return abs(price).quantize(Decimal("0.01"))


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
# PostgreSQL's text has no NUL: without the pattern it would refuse the row, and could not say which field it was.
Customer = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Sku = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\-]{1,64}$"), Field(examples=["TEA-1"])]
Price = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2),
    AfterValidator(_as_stored),
    # Less than is taken, and all of it is: pydantic's own schema would let any text and any float through.
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$", "examples": ["4.50"]}),
]

PICTURE_FORMATS: Mapping[str, str] = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
"""Pillow's names by media type. It knows some forty more, each a parser for a stranger's bytes."""

MAX_LINES = 100
MAX_QUANTITY = 1_000_000


class Body(BaseModel):
    """What comes in. A field that nobody knows is refused: a misspelt `currency` would be an order in dollars."""

    model_config = ConfigDict(extra="forbid")


class LineIn(Body):
    """One article to order."""

    sku: Sku
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    unit_price: Price


class OrderIn(Body):
    """An order to place."""

    customer: Customer
    currency: Currency = "USD"
    lines: list[LineIn] = Field(min_length=1, max_length=MAX_LINES)


class StateIn(Body):
    """The state that an order should have next."""

    state: OrderState


class FromRow(BaseModel):
    """Read from the attributes of an entity or a row."""

    model_config = ConfigDict(from_attributes=True)


class LineOut(FromRow):
    """One article of an order."""

    sku: str
    quantity: int
    unit_price: Decimal


class OrderSummary(FromRow):
    """An order without its lines, for lists."""

    id: int
    customer: str
    currency: str
    state: OrderState
    created_at: AwareDatetime


class OrderOut(OrderSummary):
    """An order with its lines."""

    lines: list[LineOut]


class OrderPage(BaseModel):
    """A part of the list, newest first."""

    orders: list[OrderSummary]
    next: int | None = Field(description="Pass it as `after` to get the following page; null at the end.")


class OrderTotal(BaseModel):
    """What an order costs, converted."""

    order_id: int
    amount: Decimal = Field(examples=["8.28"])
    currency: str
    rate: Decimal = Field(description="Units of the wanted currency for one unit of the order's.")


class OrderValue(BaseModel):
    """What an order is worth on average."""

    currency: str
    orders: int = Field(description="How many of the latest orders this was computed from.")
    mean: Decimal = Field(examples=["41.20"])
    low: Decimal = Field(description="The true mean is between `low` and `high` with a confidence of 95 %.")
    high: Decimal


class Dashboard(BaseModel):
    """The state of the shop at a glance."""

    orders_by_state: dict[OrderState, int]
    latest: list[OrderSummary]
    usd_to_eur: Decimal | None
    missing: list[str] = Field(default=[], description="What did not come in time; the rest is complete.")

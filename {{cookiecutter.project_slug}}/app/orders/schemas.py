"""Request and response bodies of the order routes. Money is a decimal string, times are UTC."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from app.orders.models import OrderState


def _as_stored(price: Decimal) -> Decimal:
    """Return a price as the column stores prices, 4.5 as 4.50 and -0 as 0.00, so that POST and GET return the same."""
    return abs(price).quantize(Decimal("0.01"))


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
# PostgreSQL's text type has no NUL character: without the pattern, the INSERT fails, and the error names no field.
Customer = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Sku = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\-]{1,64}$"), Field(examples=["TEA-1"])]
Price = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2),
    AfterValidator(_as_stored),
    # A stricter schema for the OpenAPI document: pydantic's generated schema would allow any text and any float.
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$", "examples": ["4.50"]}),
]

MAX_ID = 2**63 - 1
"""The largest id of an order, and the largest value of a bigint column: PostgreSQL fails on a larger id."""

MAX_LINES = 100
"""The most lines of one order: an INSERT of 100 rows takes only milliseconds."""

MAX_QUANTITY = 1_000_000
"""The largest quantity of one order line. A larger number is a typing error; without a bound, a total could need more
than the 60 digits that the service computes with."""


class Input(BaseModel):
    """The base class of request bodies and queries. An unknown field is refused.

    Otherwise a misspelt `currency` would be ignored, and the default currency used.
    """

    model_config = ConfigDict(extra="forbid")


class PageQuery(Input):
    """The query parameters of the list of orders."""

    limit: int = Field(default=50, ge=1, le=100)
    after: int | None = Field(default=None, ge=1, le=MAX_ID, description="List only orders older than this id.")


class TotalQuery(Input):
    """The query parameters of an order's total."""

    currency: Currency


class LineIn(Input):
    """One order line in a request body."""

    sku: Sku
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    unit_price: Price


class OrderIn(Input):
    """The request body that places an order."""

    # `make run` prints this example as a curl command
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer": "Ada", "lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": "4.50"}]}]
        }
    )

    customer: Customer
    currency: Currency = "USD"
    lines: list[LineIn] = Field(min_length=1, max_length=MAX_LINES)


class StateIn(Input):
    """The request body that changes the state of an order."""

    state: OrderState


# Response bodies are dataclasses: pydantic would validate each column of a row, but trusts an instance of a dataclass.
@dataclass(slots=True)
class LineOut:
    """One order line in a response body."""

    sku: str
    quantity: int
    unit_price: Decimal


@dataclass(slots=True)
class OrderSummary:
    """An order without lines, for lists."""

    id: int
    customer: str
    currency: str
    # Text and not `OrderState`: during an update, replicas with old code may read a state that only new code knows.
    state: Annotated[str, Field(examples=[OrderState.PLACED])]
    created_at: datetime


@dataclass(slots=True)
class OrderOut(OrderSummary):
    """An order with all lines."""

    lines: list[LineOut]


@dataclass(slots=True)
class OrderPage:
    """A page of the list of orders, newest first."""

    orders: list[OrderSummary]
    next: Annotated[int | None, Field(description="Pass it as `after` to get the following page; null at the end.")]


class OrderTotal(BaseModel):
    """The total of an order, converted into a different currency."""

    order_id: int
    amount: Decimal = Field(examples=["8.28"])
    currency: str
    rate: Decimal = Field(description="Units of the wanted currency for one unit of the order's.")


class Dashboard(BaseModel):
    """The response body of the dashboard: orders by state, the latest orders, and an exchange rate."""

    orders_by_state: dict[str, int] = Field(description="Only the latest 1,000 orders are counted.")
    latest: list[OrderSummary]
    usd_to_eur: Decimal | None
    missing: list[str] = Field(default=[], description="The parts that could not be read; the rest is complete.")

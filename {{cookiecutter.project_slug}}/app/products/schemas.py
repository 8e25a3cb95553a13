"""Request and response bodies of the product routes. Money is a decimal string, times are UTC."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema


def _as_stored(price: Decimal) -> Decimal:
    """Return a price as the column stores prices: 4.5 as 4.50, and -0 as 0.00."""
    return abs(price).quantize(Decimal("0.01"))


PICTURE_FORMATS: Mapping[str, str] = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
"""Maps the accepted media types of pictures to Pillow's names of the formats. Pillow knows forty further formats, each
with a parser that untrusted bytes could attack."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
# PostgreSQL's text type has no NUL character: without the pattern, the INSERT fails, and the error names no field.
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Price = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2),
    AfterValidator(_as_stored),
    # A stricter schema for the OpenAPI document: pydantic's generated schema would allow any text and any float.
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$", "examples": ["4.50"]}),
]


class Input(BaseModel):
    """The base class of request bodies and queries. An unknown field is refused.

    Otherwise a misspelt `currency` would be ignored, and the default currency used.
    """

    model_config = ConfigDict(extra="forbid")


class ExportQuery(Input):
    """The query parameters of an export of products."""

    after: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Export only products older than this id.")


class EstimateQuery(Input):
    """The query parameters of a price estimate."""

    currency: Currency


class ProductIn(Input):
    """The request body for a new product."""

    name: Name
    currency: Currency = "USD"
    price: Price


class ProductOut(BaseModel):
    """A stored product in a response body."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    currency: str
    price: Decimal
    created_at: AwareDatetime


class PriceEstimate(BaseModel):
    """The response body of the price estimate: a mean price with the 95 % confidence interval."""

    currency: str
    products: int = Field(description="The number of products in the estimate.")
    mean: Decimal = Field(examples=["41.20"])
    low: Decimal = Field(description="The true mean is between `low` and `high` with a confidence of 95 %.")
    high: Decimal

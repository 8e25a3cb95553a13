"""Exact money: Decimal in Python, text in JSON, one rounding at the end; a third decimal digit in input is refused."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError


class Line(BaseModel):
    quantity: int
    unit_price: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2, allow_inf_nan=False)]


line = Line.model_validate_json('{"quantity": 3, "unit_price": "0.10"}')
total = (line.quantity * line.unit_price * Decimal("1.0825")).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)

assert line.model_dump_json() == '{"quantity":3,"unit_price":"0.10"}'
assert total == Decimal("0.32")
for wrong in ("0.105", "NaN"):
    try:
        Line(quantity=1, unit_price=wrong)
        raise AssertionError(wrong)
    except ValidationError:
        pass

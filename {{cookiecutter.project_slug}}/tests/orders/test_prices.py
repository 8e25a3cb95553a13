"""Tests that the service accepts every price that the pattern of the OpenAPI document allows."""

from decimal import Decimal

from hypothesis import given, seed, strategies

from app.orders.schemas import LineIn


@seed(7)
@given(price=strategies.from_regex(LineIn.model_json_schema()["properties"]["unit_price"]["pattern"], fullmatch=True))
def test_every_documented_price_is_accepted(price: str) -> None:
    assert LineIn(sku="TEA-1", quantity=1, unit_price=Decimal(price)).unit_price == Decimal(price)

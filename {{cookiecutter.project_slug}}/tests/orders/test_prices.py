"""Every price that the OpenAPI document allows is accepted; a misspelt query parameter of a total is refused."""

from decimal import Decimal

from hypothesis import given, seed, strategies

from app.orders.schemas import LineIn
from tests.http_client import httpx


@seed(7)
@given(price=strategies.from_regex(LineIn.model_json_schema()["properties"]["unit_price"]["pattern"], fullmatch=True))
def test_every_documented_price_is_accepted(price: str) -> None:
    assert LineIn(sku="TEA-1", quantity=1, unit_price=Decimal(price)).unit_price == Decimal(price)


async def test_an_unknown_parameter_of_a_total_is_422(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/orders/1/total?currency=EUR&date=2026-01-01")

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["query"])

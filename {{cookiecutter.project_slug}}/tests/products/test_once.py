"""A repeated product with an Idempotency-Key is added once; an unknown query parameter is refused."""

from tests.http_client import httpx
from tests.products.conftest import PRODUCT

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


async def test_a_repeated_product_is_added_once(client: httpx.AsyncClient) -> None:
    first, second = [await client.post("/api/v1/products", json=PRODUCT, headers=KEY) for _ in range(2)]

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second.headers["idempotency-replayed"] == "true"


async def test_a_thumbnail_with_a_key_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/thumbnails", content=b"x", headers=KEY | {"content-type": "image/png"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_an_unknown_query_parameter_is_refused(client: httpx.AsyncClient) -> None:
    read = ("/api/v1/products.jsonl.gz?before=1", "/api/v1/price-estimate?currency=EUR&day=1")
    written = ("/api/v1/products?dry_run=true", "/api/v1/thumbnails?dry_run=true")
    answers = [await client.get(path) for path in read]
    answers += [await client.post(path, headers={"content-type": "image/png"}) for path in written]

    assert [answer.status_code for answer in answers] == [422] * 4

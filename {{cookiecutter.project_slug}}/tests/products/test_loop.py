"""The event loop keeps running while a thread compresses or decodes, and while a worker process computes."""

import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import text

from app.products.service import EXPORTED
from tests.faults.clients import late, undisturbed
from tests.heartbeat import heartbeat
from tests.http_client import httpx
from tests.products.drawing import encode

MANY = text("""
    INSERT INTO products (name, currency, price)
    SELECT md5(CAST(number AS text)), 'USD', number % 1000 FROM generate_series(1, :count) AS number
""")


@pytest.mark.parametrize("path", ["/api/v1/products.jsonl.gz", "/api/v1/price-estimate?currency=USD"])
async def test_a_report_does_not_block_the_loop(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, path: str
) -> None:
    async with committed_app.state.resources.write_sessions.begin() as session:
        await session.execute(MANY, {"count": EXPORTED})
    await committed_client.get(path)  # warm-up: compiles the SQL and starts the worker process

    async def measure() -> dict[str, float]:
        async with heartbeat() as beat:
            answer = await committed_client.get(path)

        assert answer.status_code == 200
        # the event loop stalls for at most 0.5 of the time if the work is offloaded, and for 0.8 if not
        return late(stalled=(beat.stalled_fraction, 0.7))

    assert await undisturbed(measure) == {}


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A large photograph, of module scope: made before the checks for a blocked event loop begin."""
    return encode(Image.effect_noise((1000, 750), 60).resize((4000, 3000)).convert("RGB"), "image/jpeg")


async def test_a_thumbnail_does_not_block_the_loop(picture: bytes, client: httpx.AsyncClient) -> None:
    path, headers = "/api/v1/thumbnails", {"Content-Type": "image/jpeg"}
    await client.post(path, content=picture, headers=headers)  # warm-up: imports Pillow

    async def measure() -> dict[str, float]:
        async with heartbeat() as beat:
            answer = await client.post(path, content=picture, headers=headers)

        assert answer.status_code == 200
        return late(stalled=(beat.stalled_fraction, 0.6))  # 0.9 if the event loop made the thumbnail

    assert await undisturbed(measure) == {}

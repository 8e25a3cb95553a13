"""Request ids and broken answers, as a caller sees them. The log lines are read in `server/test_gunicorn.py`."""

from collections.abc import AsyncGenerator

import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from app.downstreams.client import httpx
from app.main import create_app
from tests.conftest import client_of
from tests.databases import make_settings


@pytest.mark.parametrize("given", ["caller-0001", "a" * 64, "0123.4567_89"])
async def test_a_well_formed_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health/live", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["", "short", "a" * 65, "two words here", "line\tbreak-1", '{"forged": 1}', "-leading-dash"]
)
async def test_a_malformed_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health/live", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


@pytest.fixture
async def app_with_stream(shared_url: str) -> AsyncGenerator[FastAPI]:
    """An app that breaks in the middle of an answer."""
    app = create_app(make_settings(shared_url))

    async def broken() -> AsyncGenerator[bytes]:
        yield b"the first half"
        raise RuntimeError("no second half")

    @app.get("/half")
    async def half() -> StreamingResponse:
        return StreamingResponse(broken())

    async with app.router.lifespan_context(app):
        yield app


async def test_an_answer_that_breaks_half_way_is_not_passed_off_as_whole(app_with_stream: FastAPI) -> None:
    async with client_of(app_with_stream) as client:
        with pytest.raises(RuntimeError, match="no second half"):
            await client.get("/half")

"""Streams with an access token: a browser can send the token, and a stream ends when its token expires."""

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.main import create_app
from app.streams.websocket import PROTOCOL
from tests.databases import make_settings
from tests.fakes import FAKES
from tests.http_client import build_app, httpx
from tests.serving import served
from tests.streams.browser import browser
from tests.streams.reading import Seen, Stream, websocket_of
from tests.tokens import answer_keys, bearer, issuing

SECONDS = 2
"""The lifetime, in seconds, of a token that expires during a test."""

PATIENCE_SECONDS = 20
"""The longest wait for the end of a stream, in seconds."""


def token(**claims: Any) -> str:  # noqa: ANN401 - any JSON claims
    return bearer(**claims)["Authorization"].removeprefix("Bearer ")


@pytest.fixture
async def url(committed_url: str) -> AsyncGenerator[str]:
    """The URL of the service, whose issuer is a fake."""
    FAKES["issuer"] = answer_keys
    app = build_app(make_settings(committed_url))
    async with app.router.lifespan_context(app), served(app) as address:
        yield address
    FAKES.clear()


async def test_a_websocket_takes_its_token_from_a_protocol_and_shows_it_to_nobody(url: str) -> None:
    secret = token()
    async with connect(websocket_of(url), subprotocols=[PROTOCOL, f"bearer.{secret}"]) as socket:  # type: ignore[list-item] # a type of websockets
        await socket.send('{"type": "ping"}')
        pong = await socket.recv()

    assert (socket.subprotocol, pong) == (PROTOCOL, '{"type":"pong"}')
    assert socket.response is not None
    assert secret not in str(socket.response.headers)


@pytest.mark.parametrize("offered", [[], [PROTOCOL], [PROTOCOL, "bearer."], [PROTOCOL, "bearer.a.b.c"]])
async def test_a_websocket_without_a_usable_token_is_401(url: str, offered: list[str]) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(websocket_of(url), subprotocols=offered or None)  # type: ignore[arg-type] # a type of websockets

    assert refusal.value.response.status_code == 401


async def test_a_websocket_with_two_tokens_is_401(url: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(websocket_of(url), subprotocols=[PROTOCOL, f"bearer.{token()}"], additional_headers=bearer())  # type: ignore[list-item] # a type of websockets

    assert refusal.value.response.status_code == 401


async def test_a_request_that_is_no_websocket_has_no_token_in_a_protocol(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/api/v1/jobs", headers={"Sec-WebSocket-Protocol": f"bearer.{token()}"})

    assert answer.status_code == 401


async def events_of(url: str, secret: str) -> list[Seen]:
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", "/api/v1/events", headers=headers) as response,
    ):
        return await Stream(response).rest()


async def test_a_stream_ends_with_its_token(url: str) -> None:
    began = time.time()
    seen = await events_of(url, token(exp=int(began) + SECONDS))

    assert (seen[-1].name, seen[-1].data) == ("reconnect", {"code": "token_expired"})
    assert time.time() >= int(began) + SECONDS


async def test_a_websocket_ends_with_its_token(url: str) -> None:
    secret = token(exp=int(time.time()) + SECONDS)
    async with connect(websocket_of(url), subprotocols=[PROTOCOL, f"bearer.{secret}"]) as socket:  # type: ignore[list-item] # a type of websockets
        async with asyncio.timeout(PATIENCE_SECONDS):
            await socket.wait_closed()

    assert (socket.close_code, socket.close_reason) == (3000, "token_expired")


@pytest.mark.needs_program("chromium", "apt-get install chromium")
async def test_a_page_opens_streams_and_a_websocket_with_a_token(committed_url: str, tmp_path: Path) -> None:
    async with issuing() as issuer:
        app = create_app(make_settings(committed_url, downstreams={"issuer": {"base_url": issuer}}))
        async with app.router.lifespan_context(app), served(app) as address, browser(tmp_path) as page:
            await page.open(f"{address}/dev/jobs")
            await page.until("document.querySelector('#connection').textContent == 'connected'")
            protocol = await page.evaluate(OPENED % websocket_of(address))

    assert (protocol, page.complaints) == ("events", [])


OPENED = """
    authorized({}).then(headers => new Promise(done => {
        const token = headers.Authorization.replace('Bearer ', 'bearer.');
        const socket = new WebSocket('%s', ['events', token]);
        socket.onopen = () => done(socket.protocol);
        socket.onclose = event => done(event.code);
    }))
"""

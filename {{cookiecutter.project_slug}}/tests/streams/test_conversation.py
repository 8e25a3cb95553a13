"""The WebSocket of streams answers every message, and refuses foreign origins and clients with too many streams."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from app.settings.streams import StreamsSettings
from tests.streams.conftest import Serve
from tests.streams.counters import Writer
from tests.streams.reading import websocket_of


async def asked(socket: ClientConnection, **message: Any) -> Any:  # noqa: ANN401 - Any stands for JSON values
    await socket.send(json.dumps(message))
    return json.loads(await socket.recv())


async def test_a_client_subscribes_gets_events_and_unsubscribes(serve: Serve, writer: Writer) -> None:
    counter = await writer.add(total=1)
    topic = f"counters:{counter}"
    async with serve() as url, connect(websocket_of(url)) as socket:
        pong = await asked(socket, type="ping")
        state = await asked(socket, type="subscribe", topic=topic)
        subscribed = json.loads(await socket.recv())
        await writer.count(counter)
        final = json.loads(await socket.recv())
        unsubscribed = await asked(socket, type="unsubscribe", topic=topic)

    assert pong == {"type": "pong"}
    assert (state["topic"], state["data"]["value"], state["is_final"]) == (topic, 0, False)
    assert (subscribed, unsubscribed) == (
        {"type": "subscribed", "topic": topic},
        {"type": "unsubscribed", "topic": topic},
    )
    assert (final["data"]["value"], final["is_final"]) == (1, True)


async def test_a_refused_message_is_answered_and_the_websocket_stays_open(serve: Serve, writer: Writer) -> None:
    foreign = await writer.add(owner="a stranger")
    async with serve() as url, connect(websocket_of(url)) as socket:
        unknown = await asked(socket, type="order", topic="counters:1")
        refused = await asked(socket, type="subscribe", topic=f"counters:{foreign}")
        pong = await asked(socket, type="ping")

    assert (unknown["code"], refused["code"], pong["type"]) == ("invalid_message", "not_found", "pong")


@pytest.mark.parametrize(
    ("origin", "status"), [(None, 101), ("own", 101), ("https://app.example", 101), ("https://evil.example", 403)]
)
async def test_a_page_of_a_different_site_opens_no_websocket(serve: Serve, origin: str | None, status: int) -> None:
    async with serve(streams={"origins": "https://app.example"}) as url:
        try:
            async with connect(websocket_of(url), origin=url if origin == "own" else origin) as socket:  # type: ignore[arg-type] # a type of websockets
                found = socket.response.status_code if socket.response else 0
        except InvalidStatus as refusal:
            found = refusal.response.status_code

    assert found == status


def test_a_star_is_no_origin_of_a_websocket() -> None:
    with pytest.raises(ValidationError, match="write origins such as"):
        StreamsSettings(origins="*")


async def test_a_client_with_too_many_streams_is_refused_before_the_websocket_opens(serve: Serve) -> None:
    async with serve(streams={"max_per_client": 1}) as url, connect(websocket_of(url)):
        with pytest.raises(InvalidStatus) as refusal:
            await connect(websocket_of(url))

    assert refusal.value.response.status_code == 429

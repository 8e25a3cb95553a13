"""The queues of WebSockets under gunicorn: a client that reads too slowly is disconnected with the reason.

A client whose message waits for a busy handler stays connected.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.http_client import httpx
from tests.server.processes import gunicorn
from tests.streams.conftest import counted_url, writer  # noqa: F401 - fixtures of pytest
from tests.streams.counters import Writer
from tests.streams.reading import COUNTERS, PATIENCE_SECONDS, path_of, streaming, websocket_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

ONE = {"WEB_CONCURRENCY": "1"}
BUSY = COUNTERS[0], "busy_counters_app:app"
CHANGES = 150
"""The number of changes that the test makes, each an event of 100 kB: more than the connection's buffers (4 MB) and the
queue of 64 events hold."""


@pytest.fixture
def narrow() -> Iterator[socket.socket]:
    """A socket with a small receive buffer, so that a client that reads slowly soon fills the service's queue."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield client


async def received(talk: ClientConnection) -> list[Any]:
    """Return the messages that arrive until the WebSocket is closed."""
    found: list[Any] = []
    with suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found.append(json.loads(await talk.recv()))
    return found


async def test_a_websocket_that_falls_behind_is_closed_with_the_reason(
    counted_url: str,  # noqa: F811
    writer: Writer,  # noqa: F811
    narrow: socket.socket,
) -> None:
    counter = await writer.add(total=CHANGES)
    with gunicorn(counted_url, *COUNTERS, **ONE) as service:
        service.wait_until_serving()
        address = httpx.URL(service.url)
        narrow.connect((address.host, address.port))
        narrow.setblocking(False)
        async with (
            connect(websocket_of(service.url), sock=narrow, max_queue=1, compression=None) as talk,
            streaming(service.url, path_of(counter)) as other,
            aclosing(aiter(other)) as events,
        ):
            await talk.send(json.dumps({"type": "subscribe", "topic": f"counters:{counter}"}))
            await anext(events)
            for number in range(1, CHANGES + 1):
                await writer.count(counter, note="x" * 100_000)
                while (await anext(events)).data["value"] < number:
                    pass
            seen = await received(talk)

    assert (talk.close_code, talk.close_reason) == (1013, "too_slow")
    values = [message["data"]["value"] for message in seen if message["type"] == "event"]
    assert 64 <= len(values) < CHANGES
    assert values == sorted(values)


async def test_a_message_that_waits_behind_a_busy_handler_does_not_cut_off_its_client(
    counted_url: str,  # noqa: F811
    writer: Writer,  # noqa: F811
) -> None:
    counter = await writer.add()
    with gunicorn(counted_url, *BUSY, **ONE) as service:
        service.wait_until_serving()
        async with connect(websocket_of(service.url)) as talk:
            await talk.send(json.dumps({"type": "subscribe", "topic": f"counters:{counter}"}))
            for _ in range(2):
                await talk.send(json.dumps({"type": "ping"}))
            kinds = [json.loads(await talk.recv())["type"] for _ in range(4)]

    assert kinds == ["event", "subscribed", "pong", "pong"]

"""Traces of WebSockets over a real connection: a span is named by the route, and only a bug makes it an error."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
from fastapi import APIRouter, WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.observability.collector import ERROR, Collector, attributes_of, collecting
from tests.observability.test_traces import CANARY, SPAN, TRACE, traced
from tests.observability.traced_routes import sockets
from tests.serving import served

failing = APIRouter()


@failing.websocket("/failing/{number}")
async def fail(websocket: WebSocket, number: int) -> None:
    """Raise an exception whose message contains a value of the client."""
    await websocket.accept()
    raise RuntimeError(number, await websocket.receive_text())


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A fake OpenTelemetry collector that accepts all spans."""
    with collecting() as found:
        yield found


async def close(socket: ClientConnection) -> None:
    await socket.close()


async def vanish(socket: ClientConnection) -> None:
    socket.transport.abort()


@pytest.mark.parametrize("leave", [close, vanish])
async def test_a_client_that_leaves_is_no_error(
    shared_url: str, collector: Collector, leave: Callable[[ClientConnection], Awaitable[None]]
) -> None:
    async with traced(shared_url, collector) as app:
        app.include_router(sockets)
        caller = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
        async with served(app) as url, connect(f"ws{url[4:]}/socket/7?{CANARY}", additional_headers=caller) as socket:
            await leave(socket)

    span, statement = collector.named("WS /socket/{number}"), collector.named("SELECT")
    assert (span.status.code == ERROR, "error.type" in attributes_of(span)) == (False, False)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert (statement.trace_id, statement.parent_span_id) == (span.trace_id, span.span_id)
    assert CANARY.encode() not in b"".join(collector.raw)


async def test_a_bug_is_an_error_without_its_message(shared_url: str, collector: Collector) -> None:
    async with traced(shared_url, collector) as app:
        app.include_router(failing)
        async with served(app) as url, connect(f"ws{url[4:]}/failing/7") as socket:
            await socket.send(CANARY)
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    span = collector.named("WS /failing/{number}")
    assert (span.status.code, attributes_of(span)["error.type"]) == (ERROR, "RuntimeError")
    assert CANARY.encode() not in b"".join(collector.raw)

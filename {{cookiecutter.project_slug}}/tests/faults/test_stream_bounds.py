"""Event streams under gunicorn: clients learn of changes although database notifications are lost.

Slow clients, large messages and the number of streams are bounded, and streams hold no database connection.
"""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.faults.bulkheads import sampled
from tests.faults.memory import megabytes
from tests.http_client import httpx
from tests.scrape import total
from tests.server.processes import Service, gunicorn
from tests.smoke.raw_http import head
from tests.streams.conftest import counted_url, writer  # noqa: F401 - fixtures of pytest
from tests.streams.counters import Writer
from tests.streams.reading import COUNTERS, path_of, streaming, websocket_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

ONE = {"WEB_CONCURRENCY": "1"}
STREAMS = 30
SHORT = COUNTERS[0], "short_counters_app:app"
SLOW = COUNTERS[0], "slow_counters_app:app"


@asynccontextmanager
async def short_service(url: str, **variables: str) -> AsyncGenerator[Service]:
    with gunicorn(url, *SHORT, **ONE, **variables) as service:
        service.wait_until_serving()
        yield service


async def test_a_lost_connection_of_the_listener_is_told_and_replaced(counted_url: str, writer: Writer) -> None:  # noqa: F811
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ ' streams worker'"
    async with (
        short_service(counted_url) as service,
        streaming(service.url, "/api/v1/events") as stream,
        aclosing(aiter(stream)) as events,
    ):
        # a worker listens for notifications only from its first stream on
        service.wait_for("listening for database notifications")
        await writer.add()
        while (await anext(events)).name == "resync":
            pass
        await writer.connection.execute(cut)
        told = await anext(events)
        service.wait_for("listening for database notifications", 2)
        counter = await writer.add()
        seen = await anext(events)

    assert (told.name, seen.data["id"]) == ("resync", counter)


async def test_a_change_without_a_notification_is_found(counted_url: str, writer: Writer) -> None:  # noqa: F811
    counter = await writer.add(total=1)
    async with short_service(counted_url) as service, streaming(service.url, path_of(counter)) as stream:
        service.wait_for("listening for database notifications")
        await asyncio.sleep(1)  # a new LISTEN connection makes the service read once, before the change of this test
        await writer.connection.execute("ALTER TABLE counters DISABLE TRIGGER counters_tell_change")
        await writer.count(counter)
        seen = await stream.rest()

    assert [event.name for event in seen] == ["counters", "counters", "complete"]


async def test_a_stream_ends_with_its_age(counted_url: str, writer: Writer) -> None:  # noqa: F811
    counter = await writer.add()
    async with (
        short_service(counted_url) as service,
        streaming(service.url, path_of(counter)) as stream,
        connect(websocket_of(service.url)) as talk,
    ):
        seen = await stream.rest()
        with pytest.raises(ConnectionClosed):
            await talk.recv()

    assert (seen[-1].name, seen[-1].data, talk.close_code) == ("reconnect", {"code": "max_age"}, 1001)


@pytest.fixture
def slow() -> Iterator[socket.socket]:
    """A socket with a small receive buffer, for a client that reads nothing."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield client


async def test_a_client_that_reads_nothing_costs_little_and_is_cut_off(
    counted_url: str,  # noqa: F811
    writer: Writer,  # noqa: F811
    slow: socket.socket,
) -> None:
    counter = await writer.add(total=10_000)
    with gunicorn(counted_url, *SLOW, **ONE) as service:
        service.wait_until_serving()
        before = megabytes(service)
        address = httpx.URL(service.url)
        slow.connect((address.host, address.port))
        slow.sendall(head("GET", path_of(counter)))
        async with streaming(service.url, path_of(counter)) as other, aclosing(aiter(other)) as events:
            await anext(events)
            for _ in range(600):
                await writer.count(counter, note="x" * 20_000)
                await anext(events)  # meanwhile, a second client that does read receives each change
            grown = megabytes(service) - before
        service.wait_for("stream of a slow client cut off")

    assert grown < 10 * 5, grown  # the worker's memory may grow by ten times the expected 5 MB


async def test_a_message_of_more_than_64_kilobytes_ends_the_websocket(counted_url: str) -> None:  # noqa: F811
    with gunicorn(counted_url, *COUNTERS, **ONE) as service:
        service.wait_until_serving()
        async with connect(websocket_of(service.url)) as talk:
            await talk.send(json.dumps({"type": "ping"}))
            pong = await talk.recv()
            await talk.send(" " * 65_537)
            with pytest.raises(ConnectionClosed):
                await talk.recv()
        assert service.errors() == []

    assert (json.loads(pong), talk.close_code) == ({"type": "pong"}, 1009)


async def test_a_process_has_a_bounded_number_of_streams(counted_url: str, writer: Writer) -> None:  # noqa: F811
    counter = await writer.add()
    bounds = {"STREAMS__MAX_CONCURRENT": "3", "STREAMS__MAX_PER_CLIENT": "10"}
    with gunicorn(counted_url, *COUNTERS, **ONE, **bounds) as service:
        service.wait_until_serving()
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(streaming(service.url, path_of(counter)))
            talk: ClientConnection = await stack.enter_async_context(connect(websocket_of(service.url)))
            refused = httpx.get(service.url + path_of(counter))
            await talk.close()

    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "unavailable", "1")


async def test_streams_hold_no_database_connection(counted_url: str, writer: Writer) -> None:  # noqa: F811
    counter = await writer.add()
    with gunicorn(counted_url, *COUNTERS, **ONE, DATABASE_POOL_LIMIT="1") as service:
        service.wait_until_serving()
        async with AsyncExitStack() as stack:
            for _ in range(STREAMS):
                await stack.enter_async_context(streaming(service.url, path_of(counter)))
            found = await sampled(service.management)
            async with streaming(service.url, path_of(counter)) as one_more, aclosing(aiter(one_more)) as events:
                state = await anext(events)

    databases = [one.value for one in found if one.name == "app_bulkhead_in_use" and ".database" in one.labels["name"]]
    assert (sum(databases), total(found, "app_streams_open")) == (0, STREAMS)
    assert state.data["value"] == 0


async def test_a_client_that_leaves_frees_its_place(counted_url: str, writer: Writer) -> None:  # noqa: F811
    counter = await writer.add()
    with gunicorn(counted_url, *COUNTERS, **ONE, STREAMS__MAX_PER_CLIENT="1") as service:
        service.wait_until_serving()
        for number in range(3):
            async with streaming(service.url, path_of(counter)) as stream, aclosing(aiter(stream)) as events:
                await anext(events)
            service.wait_for("request", number + 1, path=path_of(counter), status=200)

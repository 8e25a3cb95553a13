"""The DNS resolver: concurrent callers share a look-up, and an address that refuses connections is tried last."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import HttpUrl

from app.downstreams.client import Call, Client
from app.downstreams.resolver import Resolver, Transport
from app.errors import DownstreamTimedOut, DownstreamUnavailable
from app.settings.downstreams import DownstreamSettings
from tests.downstreams.faulty_server import answer
from tests.tasks import until

HOST = "downstream.internal"


class NameServer:
    """A fake of `socket.getaddrinfo` that counts look-ups; each look-up blocks until the event `answers` is set."""

    def __init__(self, *addresses: str, answers: bool = True) -> None:
        self.look_ups = 0
        self.addresses = addresses
        self.answers = threading.Event()
        if answers:
            self.answers.set()

    def __call__(self, *_details: object, **_more: object) -> list[Any]:
        """Count a look-up, wait for the event `answers`, and return the addresses as `socket.getaddrinfo` does."""
        self.look_ups += 1
        self.answers.wait(timeout=30)
        if not self.addresses:
            raise OSError("no such name")
        return [(None, None, None, "", (address, 0)) for address in self.addresses]


@asynccontextmanager
async def recording_client(
    heads: list[bytes], scheme: str, resolver: Resolver, **changes: float
) -> AsyncGenerator[Client]:
    """Yield a client of a local server, and append the first bytes of each connection to `heads`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(65_536))
        await answer("", writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    settings = DownstreamSettings(base_url=HttpUrl(f"{scheme}://{HOST}:{port}"), **changes)
    async with listening, Client("downstream", settings, Transport(settings, resolver)) as client:
        yield client


async def test_concurrent_callers_share_a_look_up_and_its_result_is_used_again() -> None:
    name_server = NameServer("10.0.0.1", "10.0.0.2", "10.0.0.1", answers=False)
    resolver = Resolver(name_server)
    callers = [asyncio.create_task(resolver.addresses(HOST, 20)) for _ in range(50)]
    await until(lambda: name_server.look_ups == 1)
    name_server.answers.set()

    assert {await caller for caller in callers} == {("10.0.0.1", "10.0.0.2")}
    assert await resolver.addresses(HOST, 20) == ("10.0.0.1", "10.0.0.2")
    assert name_server.look_ups == 1


async def test_a_name_server_without_an_answer_costs_its_own_callers_and_a_single_thread() -> None:
    silent, healthy = NameServer("10.0.0.1", answers=False), NameServer("10.0.0.2")
    resolver = Resolver(silent)

    async def call(number: int) -> None:
        await asyncio.sleep(number * 0.01)  # 10 ms apart: later callers start after earlier callers have timed out
        with pytest.raises(TimeoutError):
            await resolver.addresses(HOST, 0.1)

    await asyncio.gather(*(call(number) for number in range(50)))

    assert silent.look_ups == 1
    assert await Resolver(healthy).addresses(HOST, 20) == ("10.0.0.2",)
    silent.answers.set()


async def test_an_address_that_refuses_connections_is_tried_once_and_then_last() -> None:
    heads: list[bytes] = []
    name_server = NameServer("127.0.0.2", "127.0.0.1")
    resolver = Resolver(name_server)
    async with recording_client(heads, "http", resolver) as client:
        responses = [await client.send(Call("GET", "things")) for _ in range(2)]

    assert [response.status for response in responses] == [200, 200]
    assert all(f"host: {HOST}:".encode() in head.lower() for head in heads)
    assert await resolver.addresses(HOST, 20) == ("127.0.0.1", "127.0.0.2")
    assert name_server.look_ups == 1


async def test_the_tls_handshake_asks_for_the_certificate_of_the_name() -> None:
    heads: list[bytes] = []
    async with recording_client(heads, "https", Resolver(NameServer("127.0.0.1"))) as client:
        with pytest.raises(DownstreamUnavailable):
            await client.send(Call("GET", "things"))

    assert HOST.encode() in heads[0]


@pytest.mark.parametrize(
    ("name_server", "error"),
    [(NameServer(), DownstreamUnavailable), (NameServer(answers=False), DownstreamTimedOut)],
    ids=["unknown", "silent"],
)
async def test_a_name_without_an_address_is_an_error_within_the_connect_timeout(
    name_server: NameServer, error: type[Exception]
) -> None:
    async with recording_client([], "http", Resolver(name_server), connect_timeout_seconds=0.2) as client:
        with pytest.raises(error):
            await client.send(Call("GET", "things"))
    name_server.answers.set()

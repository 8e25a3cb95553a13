"""Names that are looked up once for all callers, and what is done when nobody answers at an address."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import HttpUrl

from app.downstreams.client import Call, Client
from app.downstreams.names import Names, Transport
from app.downstreams.settings import DownstreamSettings
from app.errors import DownstreamTimedOut, DownstreamUnavailable
from tests.downstreams.behaviours import answer

HOST = "neighbour.internal"


class NameServer:
    """Stands for the one that the operating system asks, and counts."""

    def __init__(self, *addresses: str, answers: bool = True) -> None:
        self.asked = 0
        self.addresses = addresses
        self.answers = threading.Event()
        if answers:
            self.answers.set()

    def __call__(self, *_details: object, **_more: object) -> list[Any]:
        """Look a name up."""
        self.asked += 1
        self.answers.wait(timeout=30)
        if not self.addresses:
            raise OSError("no such name")
        return [(None, None, None, "", (address, 0)) for address in self.addresses]


@asynccontextmanager
async def reading(heads: list[bytes], scheme: str, names: Names) -> AsyncGenerator[Client]:
    """Yield a client of a server that takes down the first bytes of each connection, and answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(65_536))
        await answer("", writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    settings = DownstreamSettings(base_url=HttpUrl(f"{scheme}://{HOST}:{port}"), connect_seconds=0.2)
    async with listening, Client("neighbour", settings, Transport(settings, names)) as client:
        yield client


async def test_a_crowd_asks_once_and_nobody_asks_again_soon() -> None:
    server = NameServer("10.0.0.1", "10.0.0.2", "10.0.0.1", answers=False)
    names = Names(server)
    crowd = [asyncio.create_task(names.addresses(HOST, 20)) for _ in range(50)]
    await asyncio.sleep(0.05)
    server.answers.set()

    assert {await one for one in crowd} == {("10.0.0.1", "10.0.0.2")}
    assert await names.addresses(HOST, 1) == ("10.0.0.1", "10.0.0.2")
    assert server.asked == 1


async def test_a_name_that_nobody_answers_for_costs_its_own_callers_and_one_thread() -> None:
    lost, found = NameServer("10.0.0.1", answers=False), NameServer("10.0.0.2")
    names = Names(lost)

    async def come(number: int) -> None:
        await asyncio.sleep(number * 0.01)  # not all at once: some come when others have left
        with pytest.raises(TimeoutError):
            await names.addresses(HOST, 0.1)

    await asyncio.gather(*(come(number) for number in range(50)))

    assert lost.asked == 1
    assert await Names(found).addresses(HOST, 1) == ("10.0.0.2",)
    lost.answers.set()


async def test_an_address_where_nobody_answers_is_tried_once_and_then_last() -> None:
    heads: list[bytes] = []
    server = NameServer("127.0.0.2", "127.0.0.1")
    names = Names(server)
    async with reading(heads, "http", names) as client:
        answers = [await client.send(Call("GET", "things")) for _ in range(2)]

    assert [one.status for one in answers] == [200, 200]
    assert all(f"host: {HOST}:".encode() in head.lower() for head in heads)
    assert await names.addresses(HOST, 1) == ("127.0.0.1", "127.0.0.2")
    assert server.asked == 1


async def test_the_certificate_is_asked_for_by_name() -> None:
    heads: list[bytes] = []
    async with reading(heads, "https", Names(NameServer("127.0.0.1"))) as client:
        with pytest.raises(DownstreamUnavailable):
            await client.send(Call("GET", "things"))

    assert HOST.encode() in heads[0]


@pytest.mark.parametrize(
    ("server", "error"),
    [(NameServer(), DownstreamUnavailable), (NameServer(answers=False), DownstreamTimedOut)],
    ids=["unknown", "silent"],
)
async def test_a_name_that_is_not_found_is_an_error_in_time(server: NameServer, error: type[Exception]) -> None:
    async with reading([], "http", Names(server)) as client:
        with pytest.raises(error):
            await client.send(Call("GET", "things"))
    server.answers.set()

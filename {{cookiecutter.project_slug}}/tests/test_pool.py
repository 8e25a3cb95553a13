"""Connections that went silent while they were idle: both ends think that they live, and nothing arrives."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from app.lifespan import Resources, open_resources
from app.pool import FairPool
from tests.databases import make_settings

OWN_PID = text("SELECT pg_backend_pid()")


class Relay:
    """Stands between the service and its database, and can forget what it carried, as a firewall does."""

    def __init__(self, url: str) -> None:
        self.behind = urlsplit(url)
        self._forgotten: set[int] = set()
        self._connections = 0

    def forget(self) -> None:
        """Drop, without a word, whatever the connections of now still send; later ones are carried."""
        self._forgotten = set(range(self._connections))

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncGenerator[str]:
        """Yield the database's address through this relay."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", port)
        through = f"{self.behind.hostname}:{self.behind.port}", f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield self.behind.geturl().replace(*through)
        server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._connections = self._connections, self._connections + 1
        far_reader, far_writer = await asyncio.open_connection(self.behind.hostname, self.behind.port)
        back = asyncio.create_task(self._pump(number, far_reader, writer))
        await self._pump(number, reader, far_writer)
        await back

    async def _pump(self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if number not in self._forgotten:
                target.write(data)
        target.close()


@pytest.fixture
async def relayed(committed_url: str) -> AsyncGenerator[tuple[Resources, Relay]]:
    """The resources on one connection through a relay; each checkout counts as one after a long silence."""
    relay = Relay(committed_url)
    async with (
        relay.listening() as url,
        open_resources(make_settings(url, database_pool_limit=1, database_command_seconds=2.9)) as resources,
    ):
        pool_of(resources).idle_seconds = 0.0
        pool_of(resources).answer_seconds = 0.2
        yield resources, relay


def pool_of(resources: Resources) -> FairPool:
    pool = resources.engine.pool
    assert isinstance(pool, FairPool)
    return pool


async def test_a_write_after_a_long_silence_gets_a_connection_that_answers(relayed: tuple[Resources, Relay]) -> None:
    resources, relay = relayed
    before = await resources.reader.scalar(OWN_PID)

    relay.forget()
    async with asyncio.timeout(1.5), resources.write_sessions.begin() as session:  # closing politely would take 2 s
        after = await session.scalar(OWN_PID)

    assert after != before
    assert pool_of(resources).gate.in_use == 0


async def test_a_connection_that_answers_is_kept(relayed: tuple[Resources, Relay]) -> None:
    resources, _ = relayed

    pids = [await resources.reader.scalar(OWN_PID) for _ in range(3)]

    assert len(set(pids)) == 1


async def test_whoever_leaves_while_an_idle_connection_is_asked_gives_the_place_back(
    relayed: tuple[Resources, Relay],
) -> None:
    resources, relay = relayed
    await resources.reader.scalar(OWN_PID)

    relay.forget()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await resources.reader.scalar(OWN_PID)

    assert pool_of(resources).gate.in_use == 0
    assert await resources.reader.scalar(OWN_PID)


async def test_whoever_leaves_while_a_connection_of_the_overflow_is_closed_gives_the_place_back(
    committed_url: str,
) -> None:
    """Its goodbye waits for the server, which says nothing any more."""
    relay = Relay(committed_url)
    async with (
        relay.listening() as url,
        open_resources(make_settings(url, database_pool_limit=1, database_max_overflow=1)) as resources,
    ):
        kept, overflow = await resources.engine.connect(), await resources.engine.connect()
        await kept.close()
        relay.forget()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await overflow.close()

        assert pool_of(resources).gate.in_use == 0
        pool_of(resources).answer_seconds, pool_of(resources).idle_seconds = 0.2, 0.0
        async with resources.engine.connect(), resources.engine.connect():
            assert pool_of(resources).gate.in_use == 2

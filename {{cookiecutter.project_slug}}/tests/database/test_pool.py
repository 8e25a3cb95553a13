"""The pool replaces idle connections that a firewall has dropped silently: both ends see an open connection."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from app.database.pool import FairPool
from app.resources import Resources
from tests.databases import exhaust, exhausted, make_settings, opened

OWN_PID = text("SELECT pg_backend_pid()")


class Relay:
    """A TCP relay between the service and PostgreSQL that can drop data of connections silently, as a firewall does."""

    def __init__(self, url: str) -> None:
        self.behind = urlsplit(url)
        self._forgotten: set[int] = set()
        self._connections = 0
        self._carrying: set[asyncio.Task[None] | None] = set()

    def forget(self) -> None:
        """Drop all further data of the open connections; the relay still carries later connections."""
        self._forgotten = set(range(self._connections))

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncGenerator[str]:
        """Start the relay, and yield the URL of the database through the relay.

        At the end, both sides of all relayed connections must close, so that no socket outlives the test.
        """
        server = await asyncio.start_server(self._carry, "127.0.0.1", port)
        through = f"{self.behind.hostname}:{self.behind.port}", f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield self.behind.geturl().replace(*through)
        server.close()
        async with asyncio.timeout(30):
            await asyncio.gather(*filter(None, self._carrying))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._carrying.add(asyncio.current_task())
        number, self._connections = self._connections, self._connections + 1
        far_reader, far_writer = await asyncio.open_connection(self.behind.hostname, self.behind.port)
        back = asyncio.create_task(self._pump(number, far_reader, writer))
        await self._pump(number, reader, far_writer)
        await back
        await asyncio.gather(writer.wait_closed(), far_writer.wait_closed(), return_exceptions=True)

    async def _pump(self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):  # how one side closes is no matter of the other
            while data := await source.read(65536):
                if number not in self._forgotten:
                    target.write(data)
        target.close()


@pytest.fixture
async def relayed(committed_url: str) -> AsyncGenerator[tuple[Resources, Relay]]:
    """The resources of the service with a pool of one connection, through a relay that can drop the connection's data.

    With `idle_seconds` 0, the pool tests the connection at each checkout.
    """
    relay = Relay(committed_url)
    async with (
        relay.listening() as url,
        opened(make_settings(url, database_pool_limit=1, database_command_timeout_seconds=2.9)) as resources,
    ):
        pool_of(resources).idle_seconds = 0.0
        pool_of(resources).answer_seconds = 0.2
        yield resources, relay


def pool_of(resources: Resources) -> FairPool:
    pool = resources.engine.pool
    assert isinstance(pool, FairPool)
    return pool


async def test_a_write_after_a_long_silence_gets_a_connection_that_answers(relayed: tuple[Resources, Relay]) -> None:
    """The pool aborts a connection that a firewall has dropped: a graceful close would wait 2 s for a reply."""
    resources, relay = relayed
    before = await resources.reader.scalar(OWN_PID)

    relay.forget()
    pool_of(resources).answer_seconds = 0.05
    async with asyncio.timeout(1.8), resources.write_sessions.begin() as session:
        after = await session.scalar(OWN_PID)

    assert after != before
    assert pool_of(resources).bulkhead.in_use == 0


async def test_a_connection_that_answers_is_kept(relayed: tuple[Resources, Relay]) -> None:
    resources, _ = relayed

    pids = [await resources.reader.scalar(OWN_PID) for _ in range(3)]

    assert len(set(pids)) == 1


async def test_a_caller_that_leaves_while_an_idle_connection_is_tested_frees_its_slot(
    relayed: tuple[Resources, Relay],
) -> None:
    resources, relay = relayed
    await resources.reader.scalar(OWN_PID)

    relay.forget()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await resources.reader.scalar(OWN_PID)

    assert pool_of(resources).bulkhead.in_use == 0
    assert await resources.reader.scalar(OWN_PID)


async def test_a_caller_that_leaves_while_an_overflow_connection_is_closed_frees_its_slot(
    committed_url: str,
) -> None:
    """A caller is cancelled during a close that waits for a reply in vain; the pool must still free a slot."""
    relay = Relay(committed_url)
    async with (
        relay.listening() as url,
        opened(make_settings(url, database_pool_limit=1, database_max_overflow=1)) as resources,
    ):
        kept, overflow = await exhaust(resources)
        await kept.close()
        relay.forget()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await overflow.close()

        assert pool_of(resources).bulkhead.in_use == 0
        pool_of(resources).answer_seconds, pool_of(resources).idle_seconds = 0.2, 0.0
        async with exhausted(resources):
            assert pool_of(resources).bulkhead.in_use == 2

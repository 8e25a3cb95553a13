"""Tests of psycopg 3 and asyncpg behind PgBouncer in transaction mode: which prepared statements and settings work."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest

pytestmark = pytest.mark.anyio

END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'service'"
MISSING = asyncpg.InvalidSQLStatementNameError, psycopg.errors.InvalidSqlStatementName
Read = Callable[[], Awaitable[object]]


@pytest.fixture
async def owner(database_url: str) -> AsyncGenerator[asyncpg.Connection]:
    """Yield a direct connection to PostgreSQL as the owner of the database, in which the service's role exists."""
    connection = await asyncpg.connect(database_url)
    if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = 'service'"):
        await connection.execute("CREATE ROLE service LOGIN PASSWORD 'from-your-secrets'")
    yield connection
    await connection.close()


@pytest.fixture
def address(database_url: str) -> str:
    """Return the address of the database through PgBouncer."""
    return urlsplit(os.environ["RECIPES_PGBOUNCER"])._replace(path=urlsplit(database_url).path).geturl()


async def prepares(address: str) -> bool:
    """Tell whether this PgBouncer supports prepared statements: from version 1.21 on, when switched on."""
    console = urlsplit(address)._replace(path="/pgbouncer").geturl()
    options: dict[str, Any] = {"autocommit": True, "cursor_factory": psycopg.AsyncClientCursor}
    async with await psycopg.AsyncConnection.connect(console, **options) as connection:
        rows = await (await connection.execute("SHOW CONFIG")).fetchall()
    return int({row[0]: row[1] for row in rows}.get("max_prepared_statements") or 0) > 0


async def survives(read: Read, owner: asyncpg.Connection) -> bool:
    """Tell whether a client can still read after PgBouncer has changed the connection, as between transactions."""
    for _ in range(10):
        assert await read() == 1
    await owner.execute(END)
    try:
        async with asyncio.timeout(10):
            return await read() == 1
    except MISSING:
        return False


@pytest.mark.parametrize(("options", "holds"), [({}, False), ({"statement_cache_size": 0}, True)])
async def test_asyncpg_needs_a_cache_without_statements(
    owner: asyncpg.Connection, address: str, options: dict[str, int], *, holds: bool
) -> None:
    connection = await asyncpg.connect(address, timeout=10, **options)
    survived = await survives(lambda: connection.fetchval("SELECT $1::int", 1), owner)
    connection.terminate()

    assert survived == (holds or await prepares(address))


@pytest.mark.parametrize(("options", "holds"), [({}, False), ({"prepare_threshold": None}, True)])
async def test_psycopg_needs_a_threshold_that_is_never_reached(
    owner: asyncpg.Connection, address: str, options: dict[str, None], *, holds: bool
) -> None:
    async with await psycopg.AsyncConnection[Any].connect(address, autocommit=True, **options) as connection:

        async def read() -> object:
            return (await (await connection.execute("SELECT %s::int", [1])).fetchone() or [None])[0]

        survived = await survives(read, owner)

    assert survived == (holds or await prepares(address))


@pytest.mark.usefixtures("owner")
async def test_settings_of_the_connection_are_refused(address: str) -> None:
    refused = "unsupported startup parameter"

    with pytest.raises(asyncpg.PostgresError, match=refused):
        await asyncpg.connect(address, timeout=10, server_settings={"statement_timeout": "2500"})
    with pytest.raises(psycopg.OperationalError, match=refused):
        await psycopg.AsyncConnection.connect(address, options="-c statement_timeout=2500")

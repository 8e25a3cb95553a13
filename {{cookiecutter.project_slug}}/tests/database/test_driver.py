"""A write obeys the most specific `default_transaction_read_only`: of the server, the role or the database."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from app.database.connection import enforced
from app.database.driver import DriverConnection, connect
from app.readiness.role import role_sql
from devtools.postgres import server
from tests.databases import make_settings, run_statement

OWN = role_sql("{role}", "{database}", enforced(make_settings("postgresql://nobody@127.0.0.1/none").database_timeouts))


@pytest.fixture
def url(committed_url: str) -> Iterator[str]:
    """The URL of a database with a role that only this test uses, as a role's defaults apply to all databases."""
    role, address = f"Role {uuid4().hex}", urlsplit(committed_url)
    login = address._replace(netloc=f"{role.replace(' ', '%20')}:secret@{address.hostname}:{address.port}")
    asyncio.run(run_statement(committed_url, f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'secret'"))
    yield login.geturl()
    asyncio.run(run_statement(committed_url, f'BEGIN READ WRITE; DROP ROLE "{role}"; COMMIT'))


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ((), "off"),
        (("ALTER DATABASE {database} SET default_transaction_read_only = yes",), "on"),
        (('ALTER ROLE "{role}" SET default_transaction_read_only = on',), "on"),
        (("ALTER DATABASE {database} SET default_transaction_read_only = 'ON'",), "on"),
        (('ALTER ROLE "{role}" IN DATABASE {database} SET default_transaction_read_only = on',), "on"),
        (
            (
                "ALTER DATABASE {database} SET default_transaction_read_only = on",
                'ALTER ROLE "{role}" SET default_transaction_read_only = off',
            ),
            "off",
        ),
        ((OWN,), "off"),
        ((OWN, "ALTER DATABASE {database} SET default_transaction_read_only = on"), "on"),
        ((OWN, 'ALTER ROLE "{role}" IN DATABASE {database} SET default_transaction_read_only = on'), "on"),
        (
            (
                'ALTER ROLE "{role}" IN DATABASE {database} SET lock_timeout = 1500',
                'ALTER ROLE "{role}" IN DATABASE {database} SET default_transaction_read_only = on',
            ),
            "on",
        ),
        (("ALTER DATABASE {database} SET app.note = 'default_transaction_read_only=on'",), "off"),
    ],
)
async def test_a_write_obeys_the_most_specific_default_but_not_the_services_own(
    url: str, committed_url: str, changes: tuple[str, ...], mode: str
) -> None:
    """The service obeys a changed `default_transaction_read_only`, even on connections opened before the change.

    A connection without the service's set-up, such as psql's, obeys the default of the time when it was opened.
    """
    names = {"role": urlsplit(url).username or "", "database": urlsplit(url).path.strip("/")}
    connections = [await opened(url)]
    for change in (*changes, *RESETS):
        if change == RESETS[0]:
            connections.append(await opened(url))
            found = [await modes(connection) for connection in connections]
            psql = await asyncpg.connect(url)
            plain = await psql.fetchval("SHOW transaction_read_only")
            await psql.close()
        text = change.removeprefix("BEGIN READ WRITE;").removesuffix("COMMIT;").format(**names).replace("%20", " ")
        await run_statement(committed_url, f"BEGIN READ WRITE; {text}; COMMIT")
    after = [await modes(connection) for connection in connections]
    for connection in connections:
        await connection.close()

    assert found == [(mode, "on", "on")] * 2
    assert after == [("off", "on", "on")] * 2
    assert plain == mode or OWN in changes


RESETS = [
    f"ALTER {owner} RESET default_transaction_read_only"
    for owner in ("DATABASE {database}", 'ROLE "{role}"', 'ROLE "{role}" IN DATABASE {database}')
]


async def opened(url: str) -> DriverConnection:
    return await connect("on", dsn=url, server_settings={"lock_timeout": "1500"})


async def modes(connection: DriverConnection) -> tuple[str, str, str]:
    """Return whether a write transaction, a read transaction, and a statement outside of both are read-only."""
    find, found = "SHOW transaction_read_only", []
    async with connection.transaction(isolation="read_committed"):
        found.append(await connection.fetchval(find))
    async with connection.transaction(readonly=True):
        found.append(await connection.fetchval(find))
    writing, reading, alone = *found, await connection.fetchval(find)
    return writing, reading, alone


async def of_a_new_connection(url: str) -> tuple[str, str, str]:
    connection = await opened(url)
    found = await modes(connection)
    await connection.close()
    return found


async def test_a_write_obeys_the_default_of_the_server(tmp_path: Path) -> None:
    """ALTER SYSTEM sets `default_transaction_read_only` in a file; after a reload, open connections obey the change."""
    with server(tmp_path, durable=False) as url:
        older, administrator = await opened(url), await asyncpg.connect(url)
        for change, mode in (("SET default_transaction_read_only = on", "on"), ("RESET ALL", "off")):
            await administrator.execute(f"ALTER SYSTEM {change}")
            await administrator.execute("SELECT pg_reload_conf()")
            async with asyncio.timeout(30):  # PostgreSQL's processes reload their configuration at different moments
                while (await modes(older))[0] != mode or (await of_a_new_connection(url))[0] != mode:  # noqa: ASYNC110 - polls: only PostgreSQL knows when
                    await asyncio.sleep(0.05)
            assert await modes(older) == await of_a_new_connection(url) == (mode, "on", "on")
        await older.close()
        await administrator.close()


async def test_a_connection_that_fails_while_it_is_set_up_is_closed(committed_url: str) -> None:
    """A connection whose set-up fails is closed: a connection left open causes a warning, which fails the test.

    The same code closes a connection whose set-up is cancelled.
    """
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await connect("nonsense", dsn=committed_url, server_settings={"lock_timeout": "1500"})
    gc.collect()

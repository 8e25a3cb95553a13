"""Tests of tenants on a real PostgreSQL: the recipe, and what the session state of the tutorials does in a pool."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
import tenants
from edges import client_of, tutorial
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from wire import counted

pytestmark = pytest.mark.anyio


@pytest.fixture
async def owner_url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the migration, and set DATABASE_URL for the service's role, which owns no table; return the owner's URL."""
    owner = await asyncpg.connect(database_url)
    if await owner.fetchval("SELECT true FROM pg_roles WHERE rolname = 'service'"):
        await owner.execute("DROP OWNED BY service; DROP ROLE service")
    await owner.execute(tenants.MIGRATION)
    await owner.close()
    address = urlsplit(database_url)
    role = f"service:from-your-secrets@{address.hostname}:{address.port}"
    monkeypatch.setenv("DATABASE_URL", address._replace(netloc=role).geturl())
    return database_url


async def write(client: httpx.AsyncClient, tenant: str, note: str) -> None:
    """Store a note for a tenant."""
    answer = await client.post("/notes", params={"note": note}, headers={"X-Tenant": tenant})
    assert answer.status_code == 201


async def read(client: httpx.AsyncClient, tenant: str) -> list[str]:
    """Return the notes that a tenant can read."""
    found: list[str] = (await client.get("/notes", headers={"X-Tenant": tenant})).json()
    return found


@pytest.mark.usefixtures("owner_url")
async def test_a_tenant_sees_its_own_rows_and_a_connection_forgets_it() -> None:
    async with client_of(tenants.app) as client:
        for _ in range(10):  # five at a time, as the pool has five connections
            await asyncio.gather(*(write(client, f"tenant {number}", f"{number}") for number in range(5)))
        seen = await asyncio.gather(*(read(client, f"tenant {number}") for number in range(5)))
        odd = await read(client, "'; DROP TABLE notes; --")
        async with tenants.app.state.engine.begin() as connection:
            without = list(await connection.scalars(select(tenants.notes.c.text)))

    assert seen == [[f"{number}"] * 10 for number in range(5)]
    assert (odd, without) == ([], [])


@pytest.mark.usefixtures("owner_url")
async def test_a_read_of_a_tenant_is_six_round_trips_or_four_with_prepared_statements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trips = {}
    async with counted(os.environ["DATABASE_URL"]) as (wire, address):
        monkeypatch.setenv("DATABASE_URL", address)
        async with client_of(tenants.app) as client:
            trips["recipe"] = [await wire.of(read(client, "alice")) for _ in range(3)]
        engine = create_async_engine(address.replace("postgresql:", "postgresql+asyncpg:"))
        bare = engine.execution_options(isolation_level="AUTOCOMMIT")
        for name, read_by in (("with SET LOCAL", in_a_transaction(engine)), ("bare", in_a_transaction(bare, None))):
            trips[name] = [await wire.of(read_by()) for _ in range(3)]
        await engine.dispose()

    assert (trips["recipe"][-1], trips["with SET LOCAL"][-1], trips["bare"][-1]) == (6, 4, 1)


def in_a_transaction(engine: AsyncEngine, tenant: str | None = "alice") -> Callable[[], Awaitable[None]]:
    """Return a function that reads notes through an engine, for a tenant or without a tenant."""

    async def run() -> None:
        async with engine.begin() as connection:
            if tenant:
                await connection.execute(tenants.TENANT, {"tenant": tenant})
            await connection.scalars(select(tenants.notes.c.text))

    return run


@pytest.mark.usefixtures("owner_url")
async def test_a_row_of_a_different_tenant_cannot_be_written() -> None:
    async with client_of(tenants.app), tenants.app.state.engine.connect() as connection:
        await connection.execute(tenants.TENANT, {"tenant": "alice"})
        with pytest.raises(DBAPIError, match="row-level security"):
            await connection.execute(text("INSERT INTO notes (tenant, text) VALUES ('bob', 'forged')"))


async def test_a_role_that_sees_all_rows_is_refused_at_the_start(
    owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", owner_url)

    with pytest.raises(RuntimeError, match="BYPASSRLS"):
        async with client_of(tenants.app):
            pass


@pytest.mark.usefixtures("owner_url")
async def test_the_session_of_the_tutorials_shows_a_tenant_to_the_next_request() -> None:
    async with client_of(tenants.app) as client:
        await write(client, "alice", "a secret of Alice")
    async with client_of(tutorial("tenants").app) as client:
        await read(client, "alice")
        leaked = await client.get("/public/notes")

    assert leaked.json() == ["a secret of Alice"]


async def test_a_schema_for_each_tenant_is_chosen_by_set_local_too(database_url: str) -> None:
    """A schema for each tenant works with SET LOCAL, on a connection with prepared statements.

    PostgreSQL plans a prepared statement anew when the search_path has changed.
    """
    connection = await asyncpg.connect(database_url)
    for name in ("alice", "bob"):
        await connection.execute(f"CREATE SCHEMA {name}; CREATE TABLE {name}.notes AS SELECT '{name}' AS text")
    found = []
    for name in ("alice", "bob", "alice"):
        async with connection.transaction():
            await connection.execute("SELECT set_config('search_path', $1, true)", name)
            found.append(await connection.fetchval("SELECT text FROM notes"))
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.fetchval("SELECT text FROM notes")
    await connection.close()

    assert found == ["alice", "bob", "alice"]

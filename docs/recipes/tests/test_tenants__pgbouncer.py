"""Tests of tenants behind PgBouncer in transaction mode, with one connection for all clients: the recipe, and SET."""

import asyncio
import os
from urllib.parse import urlsplit

import asyncpg
import pytest
import tenants
from edges import client_of, tutorial

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def pooled_url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the migration, and set DATABASE_URL for the service's role, through PgBouncer."""
    owner = await asyncpg.connect(database_url)
    if await owner.fetchval("SELECT true FROM pg_roles WHERE rolname = 'service'"):
        await owner.execute("DROP OWNED BY service; DROP ROLE service")
    await owner.execute(tenants.MIGRATION)
    await owner.close()
    pooled = urlsplit(os.environ["RECIPES_PGBOUNCER"])._replace(path=urlsplit(database_url).path)
    monkeypatch.setenv("DATABASE_URL", pooled.geturl())


async def test_a_connection_that_changes_hands_between_transactions_shows_each_tenant_its_own_rows() -> None:
    async with client_of(tenants.app) as client:

        async def write_and_read(number: int) -> list[str]:
            headers = {"X-Tenant": f"tenant {number}"}
            answer = await client.post("/notes", params={"note": str(number)}, headers=headers)
            assert answer.status_code == 201
            found: list[str] = (await client.get("/notes", headers=headers)).json()
            return found

        seen = []
        for first in range(0, 20, 5):  # five at a time, as the recipe's pool has five connections
            seen += await asyncio.gather(*(write_and_read(number) for number in range(first, first + 5)))

    assert seen == [[str(number)] for number in range(20)]


async def test_a_set_of_one_process_is_in_force_in_the_next_process() -> None:
    """A tenant that one process sets with SET leaks to the next process.

    Two engines stand for two processes: PgBouncer gives both the same connection, with the session state.
    """
    async with client_of(tenants.app) as client:
        await client.post("/notes", params={"note": "a secret of Alice"}, headers={"X-Tenant": "alice"})
    async with client_of(tutorial("tenants").app) as one, client_of(tutorial("tenants").app) as other:
        await one.get("/notes", headers={"X-Tenant": "alice"})
        leaked = await other.get("/public/notes")

    assert leaked.json() == ["a secret of Alice"]

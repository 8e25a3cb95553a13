"""Tests of API keys on a real PostgreSQL: the recipe, and what the keys of tutorials cost and disclose."""

import asyncio
from time import process_time

import api_keys
import asyncpg
import httpx
import pytest
from edges import client_of, tutorial

pytestmark = pytest.mark.anyio


@pytest.fixture
async def migrated(database_url: str) -> asyncpg.Connection:
    """Run the migration of the recipe for API keys, and return a connection."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(api_keys.MIGRATION)
    return connection


async def statuses(client: httpx.AsyncClient, *keys: str) -> list[int]:
    """Send a request with each API key, and return the statuses of the responses."""
    return [(await client.get("/me", headers={"Authorization": f"Bearer {key}"})).status_code for key in keys]


async def test_a_key_is_known_and_its_text_is_nowhere(migrated: asyncpg.Connection) -> None:
    async with client_of(api_keys.app) as client:
        key = await api_keys.issue(api_keys.app.state.pool, "billing", ["read"])
        other = key[:-1] + ("A" if key[-1] != "A" else "B")
        unknown = key.replace(key[3:19], "0" * 16)
        odd = (other, unknown, key.upper(), key[:-1], f"{key}x", "sk_", "x' OR 1=1 --")
        found = await client.get("/me", headers={"Authorization": f"Bearer {key}"})
        refused = await statuses(client, *odd)
        rows = str(await migrated.fetch("SELECT * FROM api_keys"))
    await migrated.close()

    assert (found.status_code, found.json()) == (200, "billing")
    assert refused == [401] * len(odd)
    assert key[20:] not in rows


async def test_two_keys_of_a_client_are_good_while_it_changes_them(migrated: asyncpg.Connection) -> None:
    async with client_of(api_keys.app) as client:
        old = await api_keys.issue(api_keys.app.state.pool, "billing", ["read"])
        new = await api_keys.issue(api_keys.app.state.pool, "billing", ["read"])
        during = await statuses(client, old, new)
        await migrated.execute("UPDATE api_keys SET ends_at = now() WHERE id = $1", old[3:19])
        after = await statuses(client, old, new)
    await migrated.close()

    assert (during, after) == ([200, 200], [401, 200])


async def test_a_key_of_the_tutorial_is_in_every_dump(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE keys (key text, client text); INSERT INTO keys VALUES ('secret', 'billing')")
    async with client_of(tutorial("api_keys").app) as client:
        answer = await client.get("/plain", headers={"X-API-Key": "secret"})
    rows = str(await connection.fetch("SELECT * FROM keys"))
    await connection.close()

    assert answer.json() == "billing"
    assert "secret" in rows


async def test_a_key_that_is_hashed_like_a_password_stops_the_loop(migrated: asyncpg.Connection) -> None:
    lines = tutorial("api_keys")

    async def cost(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> float:
        await client.get(path, headers=headers)
        began = process_time()
        await asyncio.gather(*(client.get(path, headers=headers) for _ in range(20)))
        return process_time() - began

    async with client_of(lines.app) as client:
        slow = await cost(client, "/slow", {"X-API-Key": "secret"})
    async with client_of(api_keys.app) as client:
        key = await api_keys.issue(api_keys.app.state.pool, "billing", ["read"])
        fast = await cost(client, "/me", {"Authorization": f"Bearer {key}"})
    await migrated.close()

    assert slow > 10 * fast

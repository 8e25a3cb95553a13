"""Tests of SQLAlchemy Core on a real PostgreSQL: the recipe, and what the tutorials' code with `databases` does."""

import asyncio
import time

import asyncpg
import pytest
import sqlalchemy_core
from edges import client_of, tutorial
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

pytestmark = pytest.mark.anyio


async def stored(url: str) -> int:
    """Return the number of stored notes."""
    connection = await asyncpg.connect(url)
    count: int = await connection.fetchval("SELECT count(*) FROM notes")
    await connection.close()
    return count


@pytest.mark.usefixtures("database_url")
async def test_a_note_is_stored_and_read() -> None:
    async with client_of(sqlalchemy_core.app) as client:
        created = await client.post("/notes", json={"text": "tea"})
        read = await client.get(f"/notes/{created.json()}")
        absent = await client.get("/notes/0")

    assert (created.status_code, read.json(), absent.status_code) == (201, {"text": "tea"}, 404)


async def test_a_transaction_of_databases_does_not_hold_its_concurrent_statements(database_url: str) -> None:
    """`databases` gives each task a separate connection: five rows survive the rollback of the transaction around."""
    async with client_of(sqlalchemy_core.app) as client:  # the recipe's start creates the table
        pass
    async with client_of(tutorial("sqlalchemy_core").app) as client:
        answer = await client.post("/notes", json=["a", "b", "c", "d", ""])

    assert answer.status_code == 500
    assert await stored(database_url) == 5


async def store_and_fail(connection: AsyncConnection) -> None:
    note = insert(sqlalchemy_core.notes)
    await asyncio.gather(*(connection.execute(note.values(text=each)) for each in "abcde"))
    raise ValueError("A note is empty.")


async def test_a_transaction_of_core_holds_all_statements_of_its_connection(database_url: str) -> None:
    async with client_of(sqlalchemy_core.app):
        with pytest.raises(ValueError, match="empty"):
            async with sqlalchemy_core.app.state.engine.begin() as connection:
                await store_and_fail(connection)

    assert await stored(database_url) == 0


@pytest.mark.usefixtures("database_url")
async def test_a_busy_pool_is_refused_in_a_second() -> None:
    """With all connections busy, the recipe refuses a request after a second.

    The pool below `databases` lets the eleventh request wait for as long as the ten requests before take.
    """
    async with client_of(sqlalchemy_core.app) as client:
        engine = sqlalchemy_core.app.state.engine
        held = [await engine.connect() for _ in range(5)]
        started = time.monotonic()
        refused = await client.get("/notes/1")
        seconds = time.monotonic() - started
        for connection in held:
            await connection.execute(text("SELECT 1"))
            await connection.close()
    async with client_of(tutorial("sqlalchemy_core").app) as client:
        answers = await asyncio.gather(*(client.get("/slow") for _ in range(21)), return_exceptions=True)
        waited = time.monotonic() - started - seconds

    assert refused.status_code == 503
    assert seconds < 10
    assert len(answers) == 21
    assert waited >= 3 * 0.5

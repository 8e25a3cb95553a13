"""A statement that the driver fails to prepare or to send leaves no broken connection in the pool."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.database.reader import is_stale
from tests.databases import make_settings, opened, run_statement


async def test_a_statement_whose_values_the_driver_refuses_ends_on_the_server_too(
    committed_url: str,
) -> None:
    """PostgreSQL has parsed the statement and waits for its values, which asyncpg refuses to send.

    Unless the statement ends on the server too, its statement timeout cancels the next statement on the connection.
    """
    limits = {"database_lock_timeout_seconds": 0.1, "database_statement_timeout_seconds": 0.2}
    async with opened(make_settings(committed_url, database_pool_limit=1, **limits)) as resources:
        with pytest.raises(DBAPIError, match="invalid input"):
            await resources.reader.scalar(text("SELECT CAST(:number AS int)"), {"number": "seven"})
        await asyncio.sleep(0.3)

        assert await resources.reader.scalar(text("SELECT 7")) == 7


async def test_a_connection_that_cannot_look_up_a_new_type_is_replaced(committed_url: str) -> None:
    """PostgreSQL prepares a statement with the newest types, but asyncpg looks the types up in the old snapshot.

    The same happens without a snapshot when a migration recreates a type between the two.
    """
    colours = text("SELECT colour FROM painted")
    async with opened(make_settings(committed_url)) as resources:
        async with resources.snapshot_sessions() as old:
            await old.scalar(text("SELECT 1"))
            await run_statement(
                committed_url, "CREATE TYPE colour AS ENUM ('red'); CREATE TABLE painted (colour colour)"
            )
            with pytest.raises(DBAPIError, match="could not resolve") as refused:
                await old.scalar(colours)

        assert is_stale(refused.value)
        assert await resources.reader.scalar(colours) is None

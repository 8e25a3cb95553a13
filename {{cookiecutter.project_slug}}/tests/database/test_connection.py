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
    """A statement that PostgreSQL has parsed must end on the server if asyncpg refuses to send the values.

    PostgreSQL still waits for the values: the statement timeout would cancel the next statement on the connection.
    """
    limits = {"database_lock_timeout_seconds": 0.1, "database_statement_timeout_seconds": 0.2}
    async with opened(make_settings(committed_url, database_pool_limit=1, **limits)) as resources:
        with pytest.raises(DBAPIError, match="invalid input"):
            await resources.reader.scalar(text("SELECT CAST(:number AS int)"), {"number": "seven"})
        await asyncio.sleep(0.3)

        assert await resources.reader.scalar(text("SELECT 7")) == 7


async def test_a_connection_that_cannot_look_up_a_new_type_is_replaced(committed_url: str) -> None:
    """A statement in an old snapshot fails on a new enum type, and the pool must replace the connection.

    PostgreSQL prepares the statement with the newest types, but asyncpg looks the types up in the old snapshot. A type
    that a migration recreates between preparation and look-up causes the same error without a snapshot.
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

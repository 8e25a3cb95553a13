"""A database connection whose last statement failed while it was being sent still serves the next statement."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.databases import make_settings, opened


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

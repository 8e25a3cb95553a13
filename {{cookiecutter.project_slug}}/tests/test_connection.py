"""A connection stays of use for the next one, whatever the one before did with it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.lifespan import open_resources
from tests.databases import make_settings


async def test_a_statement_whose_values_the_driver_refuses_does_not_go_on_waiting_on_the_server(
    committed_url: str,
) -> None:
    """It was sent already; without an end the server's time limit would strike whoever uses the connection next."""
    limits = {"database_lock_seconds": 0.1, "database_statement_seconds": 0.2}
    async with open_resources(make_settings(committed_url, database_pool_limit=1, **limits)) as resources:
        with pytest.raises(DBAPIError, match="invalid input"):
            await resources.reader.scalar(text("SELECT CAST(:number AS int)"), {"number": "seven"})
        await asyncio.sleep(0.3)

        assert await resources.reader.scalar(text("SELECT 7")) == 7

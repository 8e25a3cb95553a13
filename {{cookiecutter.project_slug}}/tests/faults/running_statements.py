"""Counts the statements that still run in a database: a request that has ended must leave none running."""

import asyncpg

RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


async def running_statements(url: str) -> int:
    """Return the number of a database's connections that are in a statement or a transaction."""
    connection = await asyncpg.connect(url)
    found: int = await connection.fetchval(RUNNING)
    await connection.close()
    return found

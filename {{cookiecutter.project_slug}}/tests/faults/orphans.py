"""What still runs in a database when nobody waits for it any more."""

import asyncpg

RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


async def orphans(url: str) -> int:
    """Return the number of connections in the middle of a statement or a transaction."""
    connection = await asyncpg.connect(url)
    found: int = await connection.fetchval(RUNNING)
    await connection.close()
    return found

"""A migration is killed half way: PostgreSQL rolls it back, and the next migration does all of the work.

PostgreSQL notices the killed client when its running statement ends, and holds the migration lock until then.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.faults.migration_site import (
    END_MIGRATIONS,
    LOCKS,
    MIGRATIONS,
    OTHER_CONNECTIONS,
    MigrationSite,
    migration_site,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

PAUSE_LOCK = 42
"""The key of an advisory lock: while the test holds it, the migration `halves` pauses half way."""

LONG_SECONDS = 3.5
"""How long the second migration waits for the migration lock, in seconds: longer than a migration's lock timeout (3 s),
which must not apply to the migration lock."""

REVISION = """
from alembic import op

revision = "halves"
down_revision = {head}


def upgrade() -> None:
    op.execute("CREATE TABLE first_half (id int)")
    op.execute(
        "DO $$ BEGIN WHILE NOT pg_try_advisory_xact_lock(PAUSE_LOCK) LOOP PERFORM pg_sleep(0.02); END LOOP; END $$"
    )
    op.execute("CREATE TABLE second_half (id int)")
""".replace("PAUSE_LOCK", str(PAUSE_LOCK))

PAUSED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'DO %' AND state = 'active'
"""


@pytest.fixture
async def site(server_url: str, tmp_path: Path) -> AsyncGenerator[MigrationSite]:
    """An empty database, and a copy of the migrations with the revision `halves`, which pauses half way."""
    async with migration_site(server_url, tmp_path, "halves", REVISION) as found:
        yield found


async def kill_half_way(site: MigrationSite) -> None:
    """Start a migration, and kill its process half way; PostgreSQL still runs the paused statement until `release`."""
    migration = await start_and_pause(site)
    migration.send_signal(signal.SIGKILL)
    await migration.wait()


async def start_and_pause(site: MigrationSite) -> asyncio.subprocess.Process:
    """Start a migration, and wait until it pauses half way."""
    await site.connection.execute(f"SELECT pg_advisory_lock({PAUSE_LOCK})")
    migration = await site.start()
    await site.wait_for(PAUSED, 1)
    return migration


async def release(site: MigrationSite) -> None:
    """Unlock PAUSE_LOCK, so that the paused statement of a migration finishes."""
    await site.connection.execute(f"SELECT pg_advisory_unlock({PAUSE_LOCK})")


async def is_whole(site: MigrationSite) -> bool:
    """Return whether the migration `halves` is complete: both tables and the entry in alembic_version exist."""
    return await site.revisions() == ["halves"] and {"first_half", "second_half"} <= await site.tables()


async def test_a_killed_migration_leaves_nothing_behind_and_the_next_completes(site: MigrationSite) -> None:
    await kill_half_way(site)
    await release(site)
    await site.wait_for(OTHER_CONNECTIONS, 0)
    left, locks = await site.tables(), await site.connection.fetchval(LOCKS)
    code = await (await site.start()).wait()

    assert (left, locks) == (set(), 0)
    assert (code, await is_whole(site)) == (0, True)


AGAIN = "What was not committed is undone: run `alembic upgrade head` again."


async def test_a_migration_whose_connection_the_server_ends_says_so(site: MigrationSite) -> None:
    migration = await start_and_pause(site)
    await site.connection.execute(END_MIGRATIONS)
    code, line = await site.ended(migration)

    assert code == 1
    assert line.startswith("The server ended the connection of the migration: ")
    assert line.endswith(f"terminating connection due to administrator command. {AGAIN}")
    assert await site.tables() == set()


async def test_a_migration_that_waits_for_a_locked_table_says_so(site: MigrationSite) -> None:
    assert await site.ended(await site.start()) == (0, "")
    async with site.connection.transaction():
        await site.connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        found = await site.ended(await site.start())

    assert found == (1, f"A table stayed locked for 3 s by a different transaction. {AGAIN}")


async def test_a_migration_waits_for_the_lock_of_a_killed_migration_and_completes(site: MigrationSite) -> None:
    await kill_half_way(site)
    again = await site.start()
    await site.wait_for(MIGRATIONS, 2)
    await asyncio.sleep(LONG_SECONDS)
    waited, left = again.returncode is None, await site.tables()
    await release(site)

    assert (waited, left) == (True, set())
    assert (await again.wait(), await is_whole(site)) == (0, True)

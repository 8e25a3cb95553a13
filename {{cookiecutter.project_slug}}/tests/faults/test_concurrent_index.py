"""CREATE INDEX CONCURRENTLY in a migration waits for old transactions, and can be repeated after an interruption."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.faults.migration_site import END_MIGRATIONS, MIGRATIONS, MigrationSite, migration_site

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="alembic's processes are killed by signals")

OLD_SECONDS = 4.0
"""How long a transaction stays open, in seconds: longer than a migration's lock timeout (3 s)."""

# a migration as in the README's recipe for an index on a large table
REVISION = """
from alembic import op

revision = "concurrent_index"
down_revision = {head}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_things_name", "things", postgresql_concurrently=True, if_exists=True)
        op.create_index("ix_things_name", "things", ["name"], postgresql_concurrently=True)
"""

BUILDS = """
SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('ix_things_name') AND NOT indisvalid
"""
"""SQL that counts the index while it is being built, or after an interrupted build."""

VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_things_name')"


@pytest.fixture
async def site(server_url: str, tmp_path: Path) -> AsyncGenerator[MigrationSite]:
    """A database with the table `things`, and a copy of the migrations with a revision that builds an index."""
    async with migration_site(server_url, tmp_path, "concurrent_index", REVISION) as found:
        await found.connection.execute("CREATE TABLE things (name text)")
        yield found


@asynccontextmanager
async def old_transaction(site: MigrationSite) -> AsyncGenerator[None]:
    """Keep a transaction open that has written to the table `things` during the `async with` block."""
    connection = await asyncpg.connect(site.url)
    async with connection.transaction():
        await connection.execute("INSERT INTO things VALUES ('old')")
        yield
    await connection.close()


async def test_three_migrations_at_once_build_an_index_beside_an_old_transaction(site: MigrationSite) -> None:
    async with old_transaction(site):
        migrations = [await site.start() for _ in range(3)]
        await site.wait_for(MIGRATIONS, 3)
        await site.wait_for(BUILDS, 1)
        await asyncio.sleep(OLD_SECONDS)
        waiting = [migration.returncode for migration in migrations]
    codes = [await migration.wait() for migration in migrations]

    assert (waiting, codes) == ([None] * 3, [0] * 3)
    assert await site.connection.fetchval(VALID) is True
    assert await site.revisions() == ["concurrent_index"]


async def test_a_migration_repeats_the_index_of_an_interrupted_migration(site: MigrationSite) -> None:
    async with old_transaction(site):
        interrupted = await site.start()
        await site.wait_for(BUILDS, 1)
        await site.connection.execute(END_MIGRATIONS)
        code, line = await site.ended(interrupted)
    left = await site.connection.fetchval(VALID)
    again = await (await site.start()).wait()

    assert (code, left) == (1, False)
    assert line.startswith("The server ended the connection of the migration: ")
    assert (again, await site.connection.fetchval(VALID)) == (0, True)

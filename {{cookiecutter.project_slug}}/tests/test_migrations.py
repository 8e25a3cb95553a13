"""Migrations: one line of history, reversible, equal to the models, and safe to start four times at once."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory

from tests.databases import ROOT, alembic_config


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row["tablename"] for row in rows}


def test_the_history_has_one_head() -> None:
    scripts = ScriptDirectory(str(ROOT / "migrations"))

    assert len(scripts.get_heads()) == 1


async def test_up_down_up_leaves_the_same_tables(empty_url: str) -> None:
    config = alembic_config(empty_url)
    seen = []
    for step, target in ((command.upgrade, "head"), (command.downgrade, "base"), (command.upgrade, "head")):
        await asyncio.to_thread(step, config, target)
        seen.append(await tables(empty_url))

    assert seen[0] == seen[2]
    assert seen[1] == {"alembic_version"}


async def test_models_and_migrations_agree(committed_url: str) -> None:
    """`check` raises when autogenerate would write anything."""
    await asyncio.to_thread(command.check, alembic_config(committed_url))


CONCURRENT_INDEX = """
from alembic import op

revision = "concurrent"
down_revision = {head!r}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY tried ON alembic_version (version_num)")
"""


async def test_an_index_can_be_made_without_blocking_writers(committed_url: str, tmp_path: Path) -> None:
    """CREATE INDEX CONCURRENTLY runs outside a transaction, where this service's connections are read-only."""
    folder = shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    head = ScriptDirectory(str(folder)).get_current_head()
    (folder / "versions" / "concurrent.py").write_text(CONCURRENT_INDEX.format(head=head), encoding="utf-8")
    config = alembic_config(committed_url)
    config.set_main_option("script_location", str(folder))

    await asyncio.to_thread(command.upgrade, config, "head")

    connection = await asyncpg.connect(committed_url)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "concurrent"
    assert await connection.fetchval("SELECT count(*) FROM pg_indexes WHERE indexname = 'tried'") == 1
    await connection.close()


async def start_migration(url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def wait_for_waiters(url: str, count: int) -> None:
    """Wait until this many connections wait for a lock."""
    connection = await asyncpg.connect(url)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while await connection.fetchval(query) < count:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.05)
    await connection.close()


@pytest.mark.parametrize("attempt", range(3))
async def test_four_migrations_at_once_all_succeed(empty_url: str, attempt: int) -> None:
    """All four are held at the version table until each has arrived; without the advisory lock three of them fail."""
    del attempt
    await asyncio.to_thread(command.ensure_version, alembic_config(empty_url))
    connection = await asyncpg.connect(empty_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        migrations = [await start_migration(empty_url) for _ in range(4)]
        await wait_for_waiters(empty_url, 4)

    codes = [await migration.wait() for migration in migrations]

    assert codes == [0, 0, 0, 0]
    assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
    await connection.close()

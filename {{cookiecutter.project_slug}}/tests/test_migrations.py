"""The migrations have a single head, are reversible, agree with the models, and are safe to run concurrently."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import asyncpg
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.schema import CreateSchema

from app.database.base import Base
from app.database.engine import build_engine, transactional
from app.readiness.schema import PREFIX, Revisions
from app.settings.bounds import PoolBounds
from migrations.autogenerate import load_models
from migrations.turn import ADVISORY_LOCK
from tests.databases import ROOT, alembic_config, make_settings


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row["tablename"] for row in rows}


def test_the_history_has_one_head() -> None:
    scripts = ScriptDirectory(str(ROOT / "migrations"))

    assert len(scripts.get_heads()) == 1


def test_every_revision_carries_the_service() -> None:
    """Each revision id has the service's prefix, by which old replicas accept a newer revision of the same service."""
    assert [revision for revision in sorted(Revisions.read().known) if not revision.startswith(PREFIX)] == []


async def test_up_down_up_leaves_the_same_tables(empty_url: str) -> None:
    config = alembic_config(empty_url)
    seen = []
    for step, target in ((command.upgrade, "head"), (command.downgrade, "base"), (command.upgrade, "head")):
        await asyncio.to_thread(step, config, target)
        seen.append(await tables(empty_url))

    assert seen[0] == seen[2]
    assert seen[1] == {"alembic_version"}


async def test_models_and_migrations_agree(committed_url: str) -> None:
    """`alembic check` raises an error when the models differ from the migrated schema."""
    await asyncio.to_thread(command.check, alembic_config(committed_url))


DEFINITIONS = """
SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
    attgenerated, CASE WHEN attgenerated <> '' THEN pg_get_expr(adbin, adrelid) END)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = any($1::regclass[]) AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = any($1::regclass[]) AND contype <> 'n'
UNION ALL SELECT concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid)
FROM pg_index WHERE indrelid = any($1::regclass[])
UNION ALL SELECT concat_ws(' ', enumtypid::regtype, string_agg(enumlabel, ' ' ORDER BY enumsortorder))
FROM pg_enum {{ "WHERE enumtypid::regtype::text !~ '^pgqueuer' " if cookiecutter.jobs == "yes" }}GROUP BY enumtypid
"""


async def definitions(url: str) -> set[str]:
    """Return the columns, constraints, indexes and enums of the tables that have a model, as PostgreSQL writes them."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(DEFINITIONS, [table.fullname for table in Base.metadata.sorted_tables])
    await connection.close()
    return {row[0] for row in rows}


async def create_from_models(url: str) -> None:
    settings = make_settings(url)
    address, timeouts = settings.database_url.get_secret_value(), settings.database_timeouts
    engine = build_engine(address, pool=PoolBounds(size=1), timeouts=timeouts, application_name="test")
    async with transactional(engine).begin() as connection:
        for schema in {table.schema for table in Base.metadata.sorted_tables} - {None}:
            await connection.execute(CreateSchema(str(schema)))
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


async def test_the_migrations_define_what_the_models_define(committed_url: str, empty_url: str) -> None:
    """The migrations and the models lead to the same database: columns, constraints, indexes and enums are equal."""
    load_models()
    await create_from_models(empty_url)

    assert await definitions(committed_url) == await definitions(empty_url)


CONCURRENT_INDEX = """
from alembic import op

revision = "concurrent"
down_revision = {head!r}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY tried ON alembic_version (version_num)")
"""


async def test_an_index_can_be_made_without_blocking_writers(committed_url: str, tmp_path: Path) -> None:
    """A migration can CREATE INDEX CONCURRENTLY outside a transaction, where connections are read-only by default."""
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


CONNECTED = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '% migrations'
"""


async def test_four_migrations_at_once_all_succeed(empty_url: str) -> None:
    """The test's two locks let four migrations begin together; without the migration lock, three would fail."""
    await asyncio.to_thread(command.ensure_version, alembic_config(empty_url))
    locker, watcher = await asyncpg.connect(empty_url), await asyncpg.connect(empty_url)
    async with locker.transaction(), asyncio.timeout(60):  # four processes start in 2 s, slower when busy
        await locker.execute("SELECT pg_advisory_xact_lock($1)", ADVISORY_LOCK)
        await locker.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        migrations = [await start_migration(empty_url) for _ in range(4)]
        while await watcher.fetchval(CONNECTED) < 4:  # noqa: ASYNC110 - PostgreSQL sends no event for a connection
            await asyncio.sleep(0.05)

    codes = [await migration.wait() for migration in migrations]

    assert codes == [0, 0, 0, 0]
    assert await watcher.fetchval("SELECT count(*) FROM alembic_version") == 1
    await locker.close()
    await watcher.close()

"""A migration is killed half way: nothing of it stays behind, and the next one does the whole work.

The server does not hear of the death before the statement that runs has ended; until then nobody else gets the lock.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from tests.databases import ROOT, on_database

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

GATE = 42
"""An advisory lock of the test: while it has it, a migration stays in its middle."""

LONG_SECONDS = 3.5
"""More than a migration waits for a table (3 s): for another migration it waits as long as that one takes."""

REVISION = """
from alembic import op

revision = "halves"
down_revision = {head!r}


def upgrade() -> None:
    op.execute("CREATE TABLE first_half (id int)")
    op.execute("DO $$ BEGIN WHILE NOT pg_try_advisory_xact_lock({gate}) LOOP PERFORM pg_sleep(0.02); END LOOP; END $$")
    op.execute("CREATE TABLE second_half (id int)")
"""

IN_THE_MIDDLE = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'DO %' AND state = 'active'
"""
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
LOCKS = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE locktype = 'advisory' AND datname = current_database()
"""
WAITERS = LOCKS + "AND NOT granted"
TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"


@dataclass(frozen=True, slots=True)
class Site:
    """A database without a schema, and a copy of the migrations with one more."""

    url: str
    folder: Path
    connection: asyncpg.Connection

    async def start(self) -> asyncio.subprocess.Process:
        """Start `alembic upgrade head`."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alembic", "upgrade", "head"),
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": self.url, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill_one_in_the_middle(self) -> None:
        """Start one, and kill it in its middle; its statement runs on until the gate is opened."""
        await self.connection.execute(f"SELECT pg_advisory_lock({GATE})")
        migration = await self.start()
        await self.wait_for(IN_THE_MIDDLE, 1)
        migration.send_signal(signal.SIGKILL)
        await migration.wait()

    async def open_the_gate(self) -> None:
        """Let it go on."""
        await self.connection.execute(f"SELECT pg_advisory_unlock({GATE})")

    async def wait_for(self, query: str, count: int) -> None:
        """Wait until the server counts so many."""
        async with asyncio.timeout(20):
            while await self.connection.fetchval(query) != count:  # noqa: ASYNC110 - only the server knows
                await asyncio.sleep(0.02)

    async def tables(self) -> set[str]:
        """Return the names of all tables."""
        return {row["tablename"] for row in await self.connection.fetch(TABLES)}

    async def is_whole(self) -> bool:
        """Tell whether both halves are there and the history ends once, with them."""
        versions = [
            row["version_num"] for row in await self.connection.fetch("SELECT version_num FROM alembic_version")
        ]
        return versions == ["halves"] and {"first_half", "second_half"} <= await self.tables()


@pytest.fixture
async def site(server_url: str, tmp_path: Path) -> AsyncGenerator[Site]:
    """One of one's own."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    folder = shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    head = ScriptDirectory(str(folder)).get_current_head()
    (folder / "versions" / "halves.py").write_text(REVISION.format(head=head, gate=GATE), encoding="utf-8")
    name = f"killed_{uuid4().hex}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"CREATE DATABASE {name}")
    url = on_database(server_url, name)
    connection = await asyncpg.connect(url)
    yield Site(url, tmp_path, connection)
    await connection.close()
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


async def test_nothing_half_done_stays_behind_and_the_next_one_completes(site: Site) -> None:
    await site.kill_one_in_the_middle()
    await site.open_the_gate()
    await site.wait_for(OTHERS, 0)
    left, locks = await site.tables(), await site.connection.fetchval(LOCKS)
    code = await (await site.start()).wait()

    assert (left, locks) == (set(), 0)
    assert (code, await site.is_whole()) == (0, True)


async def test_one_that_is_started_at_once_waits_for_the_dead_one_and_completes(site: Site) -> None:
    await site.kill_one_in_the_middle()
    again = await site.start()
    await site.wait_for(WAITERS, 1)
    await asyncio.sleep(LONG_SECONDS)
    waited = await site.connection.fetchval(WAITERS)
    await site.open_the_gate()

    assert waited == 1
    assert (await again.wait(), await site.is_whole()) == (0, True)

"""A database and a copy of the migrations with an additional revision, for tests that kill or delay a migration."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
from alembic.script import ScriptDirectory

from tests.databases import ROOT, on_database

MIGRATIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE '% migrations'
"""
"""SQL that counts the connections of running migrations, also of a killed process whose end PostgreSQL has not noticed.
"""

END_MIGRATIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE '% migrations'
"""
OTHER_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
LOCKS = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE locktype = 'advisory' AND datname = current_database()
"""
TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"


@dataclass(frozen=True, slots=True)
class MigrationSite:
    """An empty database, a connection to it, and a copy of the migrations with an additional revision."""

    url: str
    folder: Path
    connection: asyncpg.Connection

    async def start(self) -> asyncio.subprocess.Process:
        """Start a process that runs `alembic upgrade head` with the copied migrations on the test's database."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alembic", "upgrade", "head"),
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": self.url, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )

    async def ended(self, migration: asyncio.subprocess.Process) -> tuple[int | None, str]:
        """Wait for a migration process to end, and return its exit code and the last line of its standard error."""
        async with asyncio.timeout(60):
            _, errors = await migration.communicate()
        return migration.returncode, errors.decode().rstrip().rpartition("\n")[2]

    async def wait_for(self, query: str, count: int) -> None:
        """Repeat a counting SQL query until the result is `count`, for at most 60 s."""
        async with asyncio.timeout(60):
            while await self.connection.fetchval(query) != count:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                await asyncio.sleep(0.02)

    async def revisions(self) -> list[str]:
        """Return the revisions that the database has in the table `alembic_version`."""
        return [row["version_num"] for row in await self.connection.fetch("SELECT version_num FROM alembic_version")]

    async def tables(self) -> set[str]:
        """Return the names of all tables in the database."""
        return {row["tablename"] for row in await self.connection.fetch(TABLES)}


@asynccontextmanager
async def migration_site(server_url: str, folder: Path, name: str, source: str) -> AsyncGenerator[MigrationSite]:
    """Yield an empty database and a copy of the migrations with a further revision.

    Args:
        server_url: the PostgreSQL server.
        folder: an empty folder for the copy.
        name: the name of the revision's file.
        source: the Python code of the revision, in which `{head}` stands for the last revision of the service.
    """
    shutil.copy(ROOT / "pyproject.toml", folder)
    migrations = shutil.copytree(ROOT / "migrations", folder / "migrations")
    head = ScriptDirectory(str(migrations)).get_current_head()
    (migrations / "versions" / f"{name}.py").write_text(source.replace("{head}", repr(head)), encoding="utf-8")
    database = f"{name}_{uuid4().hex}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"CREATE DATABASE {database}")
    url = on_database(server_url, database)
    connection = await asyncpg.connect(url)
    yield MigrationSite(url, folder, connection)
    await connection.close()
    await server.execute(f"DROP DATABASE {database} WITH (FORCE)")
    await server.close()

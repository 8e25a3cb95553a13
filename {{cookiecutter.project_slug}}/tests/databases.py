"""Make databases for tests on the throwaway server: migrated once, then cloned in less than 0.1 s each."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from alembic import command
from alembic.config import Config

from app.settings import Settings
from tests.phases import phase

ROOT = Path(__file__).parents[1]
LOCK = 4_311_907_002  # the workers of one run agree on who migrates


def make_settings(database_url: str, **changes: Any) -> Settings:  # noqa: ANN401 - any setting may be changed
    """Return settings for this database, with nothing from the environment or a `.env` of the person."""
    values: dict[str, Any] = {
        "environment": "development",
        "api_docs": True,
        "database_url": database_url,
        "web_concurrency": 2,  # the CPUs of a large machine would not fit into the throwaway server
    }
    return Settings(_env_file=None, **(values | changes))


def on_database(url: str, name: str) -> str:
    """Return the URL with another database."""
    return f"{url.rpartition('/')[0]}/{name}"


def alembic_config(database_url: str) -> Config:
    """Return alembic's configuration for this database."""
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["settings"] = make_settings(database_url, log_level="warning")
    return config


def template_name() -> str:
    """Name the template after the migrations that made it, so that a changed file makes a new one."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / "migrations").rglob("*.py")):
        digest.update(file.read_bytes())
    return f"template_{digest.hexdigest()[:16]}"


def ensure_template(server_url: str) -> str:
    """Return the name of a migrated template, making it when no other worker has."""
    name = template_name()

    async def missing(connection: asyncpg.Connection) -> bool:
        return not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name)

    async def make() -> None:
        connection = await asyncpg.connect(server_url)
        try:
            await connection.execute(f"SELECT pg_advisory_lock({LOCK})")
            if await missing(connection):
                draft = f"draft_{uuid4().hex}"
                await connection.execute(f"CREATE DATABASE {draft}")
                await asyncio.to_thread(command.upgrade, alembic_config(on_database(server_url, draft)), "head")
                await connection.execute(f"ALTER DATABASE {draft} RENAME TO {name}")
        finally:
            await connection.close()

    asyncio.run(make())
    return name


async def run_statement(server_url: str, statement: str) -> None:
    """Run one statement on the server's maintenance database."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def cloned(server_url: str, template: str) -> Iterator[str]:
    """Lend a database of one's own, made from the template, and drop it afterwards."""
    name = f"test_{uuid4().hex}"
    # FILE_COPY writes no WAL; the default is several times slower for a small database
    with phase("clones"):
        asyncio.run(run_statement(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    yield on_database(server_url, name)
    with phase("drops"):
        asyncio.run(run_statement(server_url, f"DROP DATABASE {name} WITH (FORCE)"))

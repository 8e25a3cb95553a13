"""Test databases on the throwaway PostgreSQL: a template is migrated once, and each clone takes less than 0.1 s."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncConnection

from app.capacity.bulkheads import build_bulkheads
from app.capacity.from_settings import plan_for
from app.database.pool import FairPool
from app.lifespan import open_resources
from app.request.held_connections import forget
from app.request.slot import connection_quota
from app.resources import Resources
from app.settings.service import Settings
from tests.phases import phase

ROOT = Path(__file__).parents[1]
LOCK = 4_311_907_002  # key of a PostgreSQL advisory lock: only the first xdist worker migrates the template database


def make_settings(database_url: str, **changes: Any) -> Settings:  # noqa: ANN401 - Any, as settings have several types
    """Return settings of the service for a test database, without reading the environment or a developer's `.env`."""
    values: dict[str, Any] = {
        "environment": "development",
        "api_docs": True,
        "database_url": database_url,
        "management_port": 0,  # 0 stands for any free port, as many apps run at the same time
        "web_concurrency": 2,  # a worker per CPU might need more database connections than the test server has
    }
    return Settings(_env_file=None, **(values | changes))


def opened(settings: Settings, *outside: Any) -> AbstractAsyncContextManager[Resources]:  # noqa: ANN401 - passed on to `open_resources`
    """Open the service's resources without an app, with the capacity plan and bulkheads that `create_app` builds."""
    plan = plan_for(settings)
    return open_resources(settings, plan, build_bulkheads(plan), *outside)


async def exhaust(resources: Resources) -> list[AsyncConnection]:
    """Take all connections of the pool, as requests of several route groups do, and return them."""
    pool = resources.engine.pool
    assert isinstance(pool, FairPool)
    taken = []
    for name, quota in pool.bulkhead.by_name.items():
        token = connection_quota.set(name)
        while quota.has_room():
            taken.append(await resources.engine.connect())
            forget()  # this task no longer counts as a holder: each connection stands for a separate request
        connection_quota.reset(token)
    return taken


@asynccontextmanager
async def exhausted(resources: Resources) -> AsyncGenerator[None]:
    """Hold all connections of the pool during the `async with` block."""
    taken = await exhaust(resources)
    yield
    for connection in taken:
        await connection.close()


def on_database(url: str, name: str) -> str:
    """Return a PostgreSQL URL whose database name is replaced by `name`."""
    return f"{url.rpartition('/')[0]}/{name}"


def alembic_config(database_url: str) -> Config:
    """Return a configuration with which alembic migrates the database of a URL."""
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["settings"] = make_settings(database_url, log_level="warning")
    return config


def template_name() -> str:
    """Return the template database's name, with a hash of the migrations: changed migrations make a new template."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / "migrations").rglob("*.py")):
        digest.update(file.read_bytes())
    return f"template_{digest.hexdigest()[:16]}"


def ensure_template(server_url: str) -> str:
    """Create the migrated template database unless it exists, and return its name."""
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
    """Run one SQL statement on a new connection, outside a transaction, as CREATE DATABASE needs."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def cloned(server_url: str, template: str) -> Iterator[str]:
    """Yield the URL of a new database, cloned from the migrated template; drop the database at the end."""
    name = f"test_{uuid4().hex}"
    # STRATEGY FILE_COPY writes no WAL; the default, WAL_LOG, clones a small database several times more slowly.
    with phase("clones"):
        asyncio.run(run_statement(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    yield on_database(server_url, name)
    with phase("drops"):
        asyncio.run(run_statement(server_url, f"DROP DATABASE {name} WITH (FORCE)"))

"""How alembic runs: on the async engine, one at a time, with every feature's models loaded.

Start it with `make migrate`; in production it is a step of its own before the new code starts, never part of the start.
"""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from importlib import import_module
from pathlib import Path

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import app
from app.connection import Limits, PgBouncerInBetween
from app.database import Base, PoolBounds, build_engine, transactional
from app.errors import Unavailable
from app.observability import logs
from app.settings import Settings, load_settings

# Any number that nothing else in this database uses: two migrations at once would both create the same table.
ADVISORY_LOCK = 7_203_115_001

PATIENT = Limits(  # a migration may work for long, but not wait long for a table: everybody else queues behind it
    connect=timedelta(seconds=5),
    lock=timedelta(seconds=3),
    statement=timedelta(minutes=30),
    command=timedelta(minutes=31),
)


def load_models() -> None:
    """Import every `app/*/models.py`: a table that autogenerate does not see, it would drop."""
    for file in sorted(Path(app.__file__).parent.glob("*/models.py")):
        import_module(f"app.{file.parent.name}.models")


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction; others wait at the lock and then find nothing left to do.

    `op.get_context().autocommit_block()`, for CREATE INDEX CONCURRENTLY, commits and so lets the lock go early.
    """
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    with context.begin_transaction():
        # for statements in an autocommit block: the connection is read-only outside a transaction
        connection.execute(text("SET default_transaction_read_only = off"))
        # lock_timeout counts for the advisory lock too, and another migration may take its time
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENT.lock.total_seconds()}s'"))
        context.run_migrations()


async def run() -> None:
    """Connect to the database of the settings and migrate it."""
    # tests pass the settings of a throwaway database; the command line reads the environment
    settings: Settings = context.config.attributes.get("settings") or load_settings()
    logs.configure(level=settings.log_level, log_format=settings.log_format)
    name = f"{settings.service_name} migrations"
    engine = build_engine(address(settings), pool=PoolBounds(size=1), limits=PATIENT, application_name=name)
    variable = "DATABASE_URL" if settings.database_direct_url is None else "DATABASE_DIRECT_URL"
    try:
        async with aclosing(await connected(engine, variable)) as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def address(settings: Settings) -> str:
    """Return the server's own address: a lock or a setting that outlives a transaction would stay inside PgBouncer."""
    if settings.database_direct_url is not None:
        return settings.database_direct_url.get_secret_value()
    if settings.database_pgbouncer_connections is not None:
        raise SystemExit(
            "DATABASE_PGBOUNCER_CONNECTIONS says that DATABASE_URL leads to PgBouncer, and migrations must not go "
            "through it: set DATABASE_DIRECT_URL to the server's own address."
        )
    return settings.database_url.get_secret_value()


async def connected(engine: AsyncEngine, variable: str) -> AsyncConnection:
    """Connect, or say in one sentence why not: a wrong address is no reason for a traceback."""
    try:
        return await transactional(engine).connect()
    except PgBouncerInBetween as error:
        raise SystemExit(str(error)) from None
    except Unavailable as error:
        raise SystemExit(f"{error.detail} Is {variable} right, and does the server run?") from None
    except DBAPIError as error:
        raise SystemExit(f"The database of {variable} refuses the connection: {error.orig}") from None


if context.is_offline_mode():
    raise SystemExit("Migrations run against a database: set DATABASE_URL, or use `make migrate`.")
load_models()
asyncio.run(run())

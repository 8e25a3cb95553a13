"""The environment of alembic: the async engine, a lock for one migration at a time, and the models of all features.

`make migrate` runs the migrations. In production, run them as a step before new code starts, never at the start of a
process.
"""

import asyncio
import re
from contextlib import aclosing
from datetime import timedelta

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.database.driver import DriverConnection, PgBouncerInBetween
from app.database.engine import build_engine, transactional
from app.errors import Unavailable
from app.observability import logs
from app.readiness.schema import Revisions
from app.settings.bounds import PoolBounds, Timeouts
from app.settings.load import load_settings, log_fields
from app.settings.service import Settings
from migrations.autogenerate import load_models, options
from migrations.turn import wait_for_turn

LOCK_NOT_AVAILABLE = "55P03"  # the SQLSTATE of a lock timeout

# The timeouts of migrations: long for statements, and short for locks, as queries on a table queue behind a migration
# that waits for the table.
PATIENT = Timeouts(
    connect=timedelta(seconds=5),
    lock=timedelta(seconds=3),
    statement=timedelta(minutes=30),
    command=timedelta(minutes=31),
)


def begin(connection: Connection) -> None:
    """Wait until no other migration of this database runs, then prepare the session.

    Raises:
        SystemExit: the other migration took longer than one statement may take.
    """
    wait_for_turn(connection, PATIENT.statement)
    # Two settings for autocommit blocks. CREATE INDEX CONCURRENTLY waits for old transactions but blocks no query
    # meanwhile, so a lock timeout must not end it. And connections are read-only outside of an explicit transaction.
    connection.execute(text("SET lock_timeout = 0"))
    driver = connection.connection.driver_connection
    if isinstance(driver, DriverConnection) and not driver.obeys_default:
        connection.execute(text("SET default_transaction_read_only = off"))
    connection.commit()


def limit_lock_waits(connection: Connection) -> None:
    """Set the lock timeout when a migration begins a transaction; an autocommit block is none, and has no timeout."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENT.lock.total_seconds()}s'")


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction; a second process waits until the first ends, and then finds nothing to do.

    CREATE INDEX CONCURRENTLY runs in `with op.get_context().autocommit_block():`, which commits everything before it.
    So put this block into a migration of its own, which first drops what an interrupted run left behind: see the
    README, "Change a large table".
    """
    begin(connection)
    event.listen(connection, "begin", limit_lock_waits)
    context.configure(connection=connection, **options(context.script, str(connection.dialect.default_schema_name)))
    with context.begin_transaction():
        try:
            context.run_migrations()
        except CommandError as error:
            raise SystemExit(advice(str(error))) from None


def write_sql() -> None:
    """Print the migrations' SQL for `alembic upgrade --sql`, without a database."""
    context.configure(dialect_name="postgresql", literal_binds=True, **options(context.script))
    with context.begin_transaction():
        context.run_migrations()


def advice(message: str) -> str:
    """Return alembic's message about the migration history, with the command that helps."""
    if message.startswith("Can't locate revision"):
        if foreign := Revisions.read().foreign(re.findall(r"'(\S+)'$", message)):
            return foreign
        return (
            f"{message}, to which the database was migrated: a different branch of the code has that migration. Check "
            "that branch out and run `uv run python -m devtools.postgres python -m alembic downgrade -1` before you "
            "leave it; or lose the development data by `make reset`."
        )
    if message.startswith("Multiple head revisions"):
        return "Two migrations follow the same one, as two branches wrote them: `make merge` joins them."
    return message


async def run() -> None:
    """Connect to the database in the settings, and run the migrations."""
    # tests pass settings of a throwaway database; the command line reads the environment
    settings: Settings = context.config.attributes.get("settings") or load_settings()
    logs.configure(level=settings.log_level, log_format=settings.log_format, fields=log_fields(settings))
    name = f"{settings.service_name} migrations"
    engine = build_engine(address(settings), pool=PoolBounds(size=1), timeouts=PATIENT, application_name=name)
    variable = "DATABASE_URL" if settings.database_direct_url is None else "DATABASE_DIRECT_URL"
    try:
        async with aclosing(await connected(engine, variable)) as connection:
            await connection.run_sync(migrate)
    except Unavailable as error:
        raise SystemExit(error.detail) from None
    except (DBAPIError, PendingRollbackError) as error:
        if (sentence := interruption(error)) is None:
            raise
        raise SystemExit(sentence) from None
    finally:
        await engine.dispose()


def interruption(error: BaseException | None) -> str | None:
    """Return the sentence for a migration that the server interrupted, or None for an error of the migration itself.

    After an autocommit block, SQLAlchemy's error about the lost connection hides the connection's own error.
    """
    if isinstance(error, PendingRollbackError):
        error = error.__context__
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        reason = f"The server ended the connection of the migration: {error.orig}."
    elif getattr(getattr(error, "orig", None), "sqlstate", None) == LOCK_NOT_AVAILABLE:
        reason = f"A table stayed locked for {PATIENT.lock.total_seconds():g} s by a different transaction."
    else:
        return None
    return f"{reason} What was not committed is undone: run `alembic upgrade head` again."


def address(settings: Settings) -> str:
    """Return PostgreSQL's own URL, not PgBouncer's, which would share session settings and locks with other clients."""
    if settings.database_direct_url is not None:
        return settings.database_direct_url.get_secret_value()
    if settings.database_pgbouncer_connections is not None:
        raise SystemExit(
            "DATABASE_PGBOUNCER_CONNECTIONS says that DATABASE_URL leads to PgBouncer, and migrations must not go "
            "through it: set DATABASE_DIRECT_URL to the server's own address."
        )
    return settings.database_url.get_secret_value()


async def connected(engine: AsyncEngine, variable: str) -> AsyncConnection:
    """Connect to the database; on a failure, such as a wrong address, exit with a sentence and no traceback."""
    try:
        return await transactional(engine).connect()
    except PgBouncerInBetween as error:
        raise SystemExit(str(error)) from None
    except Unavailable as error:
        raise SystemExit(f"{error.detail} Is {variable} right, and does the server run?") from None
    except DBAPIError as error:
        raise SystemExit(f"The database of {variable} refuses the connection: {error.orig}") from None


load_models()
if context.is_offline_mode():
    write_sql()
else:
    asyncio.run(run())

"""The database engine and the sessions: the only file that calls `create_async_engine`.

Every connection is read-only unless a transaction asks to write, so that PostgreSQL itself refuses a write through a
`Reader`. Functions here take arguments and no `Settings`: tests, migrations and scripts need no environment variables.
"""

import os
from typing import Any

from sqlalchemy import NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.database.connection import (
    NO_STATEMENT_CACHE,
    connect_args,
    end_refused_statement,
    refuse_write,
    replace_outdated_connection,
)
from app.database.pool import FairPool
from app.settings.bounds import PoolBounds, Timeouts

NAME_BYTES = 63
"""The longest name of a connection, in bytes: PostgreSQL cuts longer names off at NAMEDATALEN - 1."""


class ReadOnlySession(AsyncSession):
    """A database session in one read-only transaction: PostgreSQL refuses a write."""


class ReadWriteSession(AsyncSession):
    """A database session that may write, in one transaction that commits as a whole or not at all."""

    async def commit(self) -> None:
        """Refuse to commit in the middle: an error after that would undo a part only, and the response deny all of it.

        Raises:
            RuntimeError: always; the block that opened the session commits at its end.
        """
        raise RuntimeError("The transaction commits at the end of its block, by itself: leave this call out.")


def connection_name(service: str, purpose: str, *, pgbouncer: bool = False) -> str:
    """Return the name of a connection in `pg_stat_activity`, such as `order-service requests worker 4711`.

    PostgreSQL keeps 63 bytes of ASCII; the service's name is cut to fit. Behind PgBouncer the name has no process id:
    workers share server connections, and each change of the name would cost a SET before the transaction.
    """
    rest = f" {purpose}" if pgbouncer else f" {purpose} worker {os.getpid()}"
    return service.encode("ascii", "replace").decode()[: NAME_BYTES - len(rest)] + rest


def build_engine(
    url: str, *, pool: PoolBounds, timeouts: Timeouts, application_name: str, pgbouncer: bool = False
) -> AsyncEngine:
    """Build the database engine; the first statement opens the first connection.

    The engine is in AUTOCOMMIT and read-only: each statement is a separate transaction. `snapshot_sessions` and
    `write_sessions` are for transactions of several statements.

    Args:
        url: `postgresql+asyncpg://...`.
        pool: the size of the connection pool and of the queue in front.
        timeouts: the timeouts of every connection.
        application_name: shown in `pg_stat_activity`; see `connection_name`.
        pgbouncer: whether the URL leads to PgBouncer in transaction mode; see `pgbouncer.py`.
    """
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",  # set once: to set the level for each read would take a fifth of a read's time
        poolclass=FairPool,
        pool_size=pool.size,
        max_overflow=pool.overflow,
        pool_timeout=pool.queue_timeout.total_seconds(),
        max_queue=pool.max_queue,
        quotas=pool.quotas,
        quota=pool.quota,
        reserved=pool.reserved,
        nested_loans=pool.nested_loans,
        hide_parameters=True,  # the log line of a failed statement must not contain a customer's values
        connect_args=connect_args(timeouts, application_name, pgbouncer=pgbouncer),
    )
    # listeners on the dialect: a listener on the engine makes SQLAlchemy check all kinds of events at each statement
    event.listen(engine.dialect, "handle_error", end_refused_statement)
    event.listen(engine.dialect, "handle_error", replace_outdated_connection)
    event.listen(engine.dialect, "handle_error", refuse_write)
    return engine


def build_probe_engine(url: str, *, timeouts: Timeouts, application_name: str, pgbouncer: bool = False) -> AsyncEngine:
    """Build an engine without a connection pool: a readiness probe must not compete with requests for connections.

    Without a statement cache, the probe also works through a PgBouncer that the settings do not declare, and names it.
    """
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args=connect_args(timeouts, application_name, pgbouncer=pgbouncer) | NO_STATEMENT_CACHE,
    )


_SESSION_OPTIONS: dict[str, Any] = {
    "expire_on_commit": False,  # a response is built from entities after the commit, when no attribute can be reloaded
    "close_resets_only": False,  # a closed session raises when used, as by a background task: no code would commit
}


def snapshot_sessions(engine: AsyncEngine) -> async_sessionmaker[ReadOnlySession]:
    """Return a factory of sessions, each in one read-only REPEATABLE READ transaction: all reads see one snapshot."""
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return async_sessionmaker(reader, class_=ReadOnlySession, **_SESSION_OPTIONS)


def transactional(engine: AsyncEngine) -> AsyncEngine:
    """Return the engine in READ COMMITTED: the first statement on a connection opens a transaction that may write."""
    return engine.execution_options(isolation_level="READ COMMITTED")


def write_sessions(engine: AsyncEngine) -> async_sessionmaker[ReadWriteSession]:
    """Return a factory of sessions, each in one READ COMMITTED transaction that may write."""
    return async_sessionmaker(transactional(engine), class_=ReadWriteSession, **_SESSION_OPTIONS)

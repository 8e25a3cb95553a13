"""Builds the database engine and the session factories: the only module that calls `create_async_engine`.

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
"""The longest `application_name` of a connection, in bytes: PostgreSQL cuts longer names at NAMEDATALEN - 1."""


class ReadOnlySession(AsyncSession):
    """A database session in one read-only transaction: PostgreSQL refuses a write."""


class ReadWriteSession(AsyncSession):
    """A database session that may write, in one transaction that commits as a whole or not at all."""

    async def commit(self) -> None:
        """Refuse an explicit commit: the block that opened the session commits at the end, never in the middle.

        After a commit in the middle, a later error would roll back only a part of the writes, although the response
        says that the whole request failed.

        Raises:
            RuntimeError: always; the block that opened the session commits at its end.
        """
        raise RuntimeError("The transaction commits at the end of its block, by itself: leave this call out.")


def connection_name(service: str, purpose: str, *, pgbouncer: bool = False) -> str:
    """Return the name of a connection in `pg_stat_activity`, such as `order-service requests worker 4711`.

    PostgreSQL keeps 63 bytes of ASCII, so a long service name is cut. Behind PgBouncer the name has no process id:
    workers share server connections, and PgBouncer would send a SET before each transaction to change the name.
    """
    rest = f" {purpose}" if pgbouncer else f" {purpose} worker {os.getpid()}"
    return service.encode("ascii", "replace").decode()[: NAME_BYTES - len(rest)] + rest


def build_engine(
    url: str, *, pool: PoolBounds, timeouts: Timeouts, application_name: str, pgbouncer: bool = False
) -> AsyncEngine:
    """Build the database engine; no connection is opened before the first statement.

    The engine is in AUTOCOMMIT and read-only: each statement is a separate transaction. `snapshot_sessions` and
    `write_sessions` are for transactions of several statements.

    Args:
        url: `postgresql+asyncpg://...`.
        pool: the size of the connection pool, and of the queue of callers that wait for a connection.
        timeouts: the timeouts of every connection.
        application_name: shown in `pg_stat_activity`; see `connection_name`.
        pgbouncer: whether the URL leads to PgBouncer in transaction mode; see `app/pgbouncer.py`.
    """
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",  # on the engine: AUTOCOMMIT set for each read takes a fifth of the read's time
        poolclass=FairPool,
        pool_size=pool.size,
        max_overflow=pool.overflow,
        pool_timeout=pool.queue_timeout.total_seconds(),
        max_queue=pool.max_queue,
        quotas=pool.quotas,
        quota=pool.quota,
        reserved=pool.reserved,
        nested_loans=pool.nested_loans,
        hide_parameters=True,  # keep values, such as a customer's name, out of log lines about failed statements
        connect_args=connect_args(timeouts, application_name, pgbouncer=pgbouncer),
    )
    # Listen on the dialect: with a listener on the engine, SQLAlchemy would look for listeners of every kind at each
    # statement.
    event.listen(engine.dialect, "handle_error", end_refused_statement)
    event.listen(engine.dialect, "handle_error", replace_outdated_connection)
    event.listen(engine.dialect, "handle_error", refuse_write)
    return engine


def build_probe_engine(url: str, *, timeouts: Timeouts, application_name: str, pgbouncer: bool = False) -> AsyncEngine:
    """Build an engine without a connection pool: a readiness probe must not compete with requests for connections.

    The engine has no cache of prepared statements, so that the probe also works through a PgBouncer that the settings
    do not mention, and can report this mistake.
    """
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args=connect_args(timeouts, application_name, pgbouncer=pgbouncer) | NO_STATEMENT_CACHE,
    )


_SESSION_OPTIONS: dict[str, Any] = {
    "expire_on_commit": False,  # a response is built after the commit, when expired attributes could not be loaded
    # A closed session raises an error when it is used again, as no block would commit further writes.
    "close_resets_only": False,
}


def snapshot_sessions(engine: AsyncEngine) -> async_sessionmaker[ReadOnlySession]:
    """Return a factory of sessions, each in one read-only REPEATABLE READ transaction: all reads see one snapshot."""
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return async_sessionmaker(reader, class_=ReadOnlySession, **_SESSION_OPTIONS)


def transactional(engine: AsyncEngine) -> AsyncEngine:
    """Return a copy of the engine in READ COMMITTED, in which a transaction may write; both share the pool."""
    return engine.execution_options(isolation_level="READ COMMITTED")


def write_sessions(engine: AsyncEngine) -> async_sessionmaker[ReadWriteSession]:
    """Return a factory of sessions, each in one READ COMMITTED transaction that may write."""
    return async_sessionmaker(transactional(engine), class_=ReadWriteSession, **_SESSION_OPTIONS)

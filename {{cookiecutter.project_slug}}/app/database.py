"""The one place that builds the database engine and its sessions. Arguments in, objects out.

Every connection is read-only unless a transaction says otherwise, so that PostgreSQL itself refuses a write through a
`Reader`. Nothing here reads settings: tests, migrations and scripts build engines without an environment.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import MetaData, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from app.connection import Limits, connect_args, end_refused_statement, replace_outdated_connection
from app.pool import FairPool

NAME_BYTES = 63
"""What PostgreSQL keeps of a name: NAMEDATALEN - 1."""


class Base(DeclarativeBase):
    """The parent of every model. Constraints have names, so that a migration can drop what another one made."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ReadOnlySession(AsyncSession):
    """A session inside one transaction that only reads. PostgreSQL refuses a write."""


class ReadWriteSession(AsyncSession):
    """A session inside one transaction that commits as a whole or not at all."""


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """How many connections, and how many callers may wait for one, for how long."""

    size: int
    overflow: int = 0
    waiting: int = 0
    wait: timedelta = timedelta(seconds=1)


def connection_name(service: str, purpose: str, *, pgbouncer: bool = False) -> str:
    """Tell in `pg_stat_activity` whose connection it is and what for, as `order-service requests worker 4711`.

    PostgreSQL keeps 63 bytes of it and no letter beyond ASCII; it is the service's name that is cut. Behind PgBouncer
    workers share server connections, and each change of the name would cost a SET before the transaction.
    """
    rest = f" {purpose}" if pgbouncer else f" {purpose} worker {os.getpid()}"
    return service.encode("ascii", "replace").decode()[: NAME_BYTES - len(rest)] + rest


def build_engine(
    url: str, *, pool: PoolBounds, limits: Limits, application_name: str, pgbouncer: bool = False
) -> AsyncEngine:
    """Build the engine; no connection is opened before the first statement.

    A statement that runs on it as it is stands alone, and can only read: the sessions below are for everything else.

    Args:
        url: `postgresql+asyncpg://...`.
        pool: how many connections, and who may wait for one.
        limits: the time limits of every connection.
        application_name: shown in `pg_stat_activity`; see `connection_name`.
        pgbouncer: the address leads to PgBouncer in transaction mode; see `pgbouncer.py`.
    """
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",  # set here and not for each read, which would cost a fifth of it
        poolclass=FairPool,
        pool_size=pool.size,
        max_overflow=pool.overflow,
        pool_timeout=pool.wait.total_seconds(),
        max_waiting=pool.waiting,
        hide_parameters=True,  # a failed statement is logged, the values of a customer are not
        connect_args=connect_args(limits, application_name, pgbouncer=pgbouncer),
    )
    # to the dialect: a listener of the engine would cost each statement a look at all events there could be
    event.listen(engine.dialect, "handle_error", end_refused_statement)
    event.listen(engine.dialect, "handle_error", replace_outdated_connection)
    return engine


def build_probe_engine(url: str, *, limits: Limits, application_name: str, pgbouncer: bool = False) -> AsyncEngine:
    """Build an engine that opens a connection for each use: a probe must neither wait for nor take one of the pool."""
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args=connect_args(limits, application_name, pgbouncer=pgbouncer),
    )


_SESSION_OPTIONS: dict[str, Any] = {
    "expire_on_commit": False,  # what was written is still to be shown
    "close_resets_only": False,  # used after its end, in a background task say, it raises: nothing would commit it
}


def snapshot_sessions(engine: AsyncEngine) -> async_sessionmaker[ReadOnlySession]:
    """Sessions whose statements all see one moment: a read-only, repeatable-read transaction."""
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return async_sessionmaker(reader, class_=ReadOnlySession, **_SESSION_OPTIONS)


def transactional(engine: AsyncEngine) -> AsyncEngine:
    """Return the same engine, on which the first statement opens a transaction that may write."""
    return engine.execution_options(isolation_level="READ COMMITTED")


def write_sessions(engine: AsyncEngine) -> async_sessionmaker[ReadWriteSession]:
    """Sessions for one transaction each; objects stay readable after the commit."""
    return async_sessionmaker(transactional(engine), class_=ReadWriteSession, **_SESSION_OPTIONS)

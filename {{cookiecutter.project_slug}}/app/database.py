"""The one place that builds the database engine and its sessions. Arguments in, objects out.

Every connection is read-only unless a transaction says otherwise, so that PostgreSQL itself refuses a write through a
`Reader`. Nothing here reads settings: tests, migrations and scripts build engines without an environment.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import MetaData, NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from app.errors import Unavailable
from app.pool import FairPool


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
class Limits:
    """How long the database may keep this service waiting, innermost first."""

    connect: timedelta
    pool_wait: timedelta
    lock: timedelta
    statement: timedelta
    command: timedelta


class _ReadOnlyByDefault(asyncpg.Connection):  # type: ignore[misc] # asyncpg ships no types
    """A connection whose transactions must ask to write, and whose commits cannot fail silently.

    The server setting `default_transaction_read_only` covers statements outside a transaction, which is how a
    `Reader` runs them. asyncpg opens a transaction with the text `BEGIN ...`; saying READ WRITE there costs no round
    trip.
    """

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's signature
        if query.startswith("BEGIN") and "READ ONLY" not in query:
            query = query.replace("BEGIN", "BEGIN READ WRITE", 1)
        status: str = await super().execute(query, *args, timeout=timeout)
        if query.startswith("COMMIT") and status == "ROLLBACK":
            # A failed statement spoilt the transaction and its error was swallowed; this word is all that tells.
            raise asyncpg.InFailedSQLTransactionError("nothing was committed: a statement failed and was passed over")
        return status


async def _connect(**arguments: Any) -> asyncpg.Connection:  # noqa: ANN401 - SQLAlchemy passes asyncpg's own arguments
    """Open one connection; SQLAlchemy leaves a refused or unresolved address as a bare OSError, which names nothing.

    Raises:
        Unavailable: nobody listens there, the name does not resolve, or the time limit passed.
    """
    try:
        return await asyncpg.connect(connection_class=_ReadOnlyByDefault, **arguments)
    except (OSError, TimeoutError) as error:
        raise Unavailable("The database cannot be reached.") from error


def build_engine(url: str, *, pool_size: int, limits: Limits, application_name: str) -> AsyncEngine:
    """Build the engine; no connection is opened before the first statement.

    A statement that runs on it as it is stands alone, and can only read: the sessions below are for everything else.

    Args:
        url: `postgresql+asyncpg://...`.
        pool_size: connections at most; there is no overflow.
        limits: the time limits of every connection.
        application_name: shown in `pg_stat_activity`.
    """
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",  # set here and not for each read, which would cost a fifth of it
        poolclass=FairPool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=limits.pool_wait.total_seconds(),
        hide_parameters=True,  # a failed statement is logged, the values of a customer are not
        connect_args=_connect_args(limits, application_name),
    )


def build_probe_engine(url: str, *, limits: Limits, application_name: str) -> AsyncEngine:
    """Build an engine that opens a connection for each use: a probe must neither wait for nor take one of the pool."""
    return create_async_engine(
        url, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=_connect_args(limits, application_name)
    )


def _connect_args(limits: Limits, application_name: str) -> dict[str, Any]:
    return {
        "async_creator_fn": _connect,
        "timeout": limits.connect.total_seconds(),
        "command_timeout": limits.command.total_seconds(),
        "server_settings": {
            "application_name": application_name,
            "default_transaction_read_only": "on",
            "lock_timeout": _milliseconds(limits.lock),
            "statement_timeout": _milliseconds(limits.statement),
            # a transaction that waits for its own client longer than one command was abandoned
            "idle_in_transaction_session_timeout": _milliseconds(limits.command),
            "timezone": "UTC",
        },
    }


def _milliseconds(limit: timedelta) -> str:
    return str(round(limit.total_seconds() * 1000))


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

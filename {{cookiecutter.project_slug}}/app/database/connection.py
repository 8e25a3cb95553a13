"""Connections to PostgreSQL: the server settings of each connection, and the reactions to errors of a connection.

A direct connection sends the settings when it opens. Behind PgBouncer in transaction mode, a client has a server
connection only for one transaction at a time. So the database role must have the settings: see `pgbouncer.py`.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_

from app.database.driver import READ_ONLY, DriverConnection, connect
from app.errors import Unavailable
from app.settings.bounds import Timeouts

READ_ONLY_TRANSACTION = "25006"  # PostgreSQL's SQLSTATE for a write in a read-only transaction

OUTDATED = "The schema has changed since this connection prepared the statement."
"""The note that is added to the error of a statement which failed only because the connection is outdated."""

OUTDATED_ERRORS = (
    asyncpg.InvalidCachedStatementError,  # a result column has got a different type
    asyncpg.OutdatedSchemaCacheError,  # a composite type has got different columns
    asyncpg.InvalidSQLStatementNameError,  # DISCARD ALL or DEALLOCATE ALL dropped the prepared statements
)

OUTDATED_TEXTS = {
    asyncpg.InternalServerError: "cache lookup failed",  # a stored number of a type or table that was dropped
    asyncpg.InternalClientError: "could not resolve query result",  # a type was dropped before asyncpg could look it up
}
"""The beginnings of error texts that mean an outdated schema. Each class stands for many errors: only the text tells
them apart, which is never translated."""

NO_STATEMENT_CACHE = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}

OTHER_TYPES = {"42704", "42804", "42846", "42883"}
"""SQLSTATEs of a statement whose types do not fit: undefined object, datatype mismatch, cannot coerce, undefined
function. A prepared statement stores types by number, and keeps the old number after a migration has recreated a
type."""


def connect_args(timeouts: Timeouts, application_name: str, *, pgbouncer: bool) -> dict[str, Any]:
    """Return the arguments with which the engine opens connections: timeouts, server settings, statement caches."""
    arguments = {
        "async_creator_fn": connect,
        "timeout": timeouts.connect.total_seconds(),
        "command_timeout": timeouts.command.total_seconds(),
    }
    settings = {"application_name": application_name, "timezone": "UTC"}
    if not pgbouncer:
        own = enforced(timeouts)
        return arguments | {"read_only": own.pop("default_transaction_read_only"), "server_settings": settings | own}
    # asyncpg sends 'utf-8' by default. PgBouncer would see a changed setting, and send a SET before each transaction.
    settings["client_encoding"] = "UTF8"
    # No statement cache: behind PgBouncer the next transaction may run on a server connection without the statement.
    # Any target: PgBouncer tells each new client the state of the first server that it reached, which may be outdated.
    return arguments | {"server_settings": settings, "target_session_attrs": "any"} | NO_STATEMENT_CACHE


def enforced(timeouts: Timeouts) -> dict[str, str]:
    """Return the server settings by which PostgreSQL itself enforces read-only transactions and timeouts."""
    return {
        "default_transaction_read_only": "on",
        "lock_timeout": _milliseconds(timeouts.lock),
        "statement_timeout": _milliseconds(timeouts.statement),
        # PostgreSQL ends a transaction whose client sends nothing for longer than the command timeout.
        "idle_in_transaction_session_timeout": _milliseconds(timeouts.idle or timeouts.command),
    }


def _milliseconds(limit: timedelta) -> str:
    return str(round(limit.total_seconds() * 1000))


def replace_outdated_connection(context: ExceptionContext) -> None:
    """Close a connection whose prepared statements belong to an older schema, and add a note to the error.

    SQLAlchemy has a similar mechanism, but it compares times of the wall clock: after a backward jump of the clock
    every use of the connection would fail.
    """
    error, connection = context.sqlalchemy_exception, context.connection
    if error is None or connection is None or connection.invalidated or not _is_outdated(context):
        return
    error.add_note(OUTDATED)
    connection.invalidate()


def _is_outdated(context: ExceptionContext) -> bool:
    """Tell whether a statement failed because the connection prepared the statement before the schema changed."""
    refusal: Any = context.original_exception.__cause__
    if beginning := OUTDATED_TEXTS.get(type(refusal)):
        return str(refusal).startswith(beginning)
    # An error with a context is from inside of an SQL function, and not from a statement that was prepared here.
    if getattr(refusal, "sqlstate", None) in OTHER_TYPES and not refusal.context:
        # If the statement is in no cache, it could not be prepared at all: a mistake in the SQL, and no older schema.
        pooled: Any = context.connection.connection.dbapi_connection  # type: ignore[union-attr] # not None here
        own, driver = pooled._prepared_statement_cache or (), pooled.driver_connection._stmt_cache  # noqa: SLF001 - no public attribute has the caches
        return context.statement in own or driver.has((context.statement, asyncpg.Record, False))
    return isinstance(refusal, OUTDATED_ERRORS)


def remembers_older_schema(error: DBAPIError) -> bool:
    """Tell whether a statement failed because the schema changed after the connection had prepared the statement."""
    return OUTDATED in getattr(error, "__notes__", ())


def refuse_write(context: ExceptionContext) -> Unavailable | None:
    """Return the error of a write that PostgreSQL refused although the transaction asked to write: 503, not a bug.

    The connection is closed, as after a failover it may lead to a server that is no longer the primary. It is not
    closed when an administrator has made the database read-only: a new connection would be refused as well.
    """
    connection = context.connection
    if getattr(context.original_exception, "sqlstate", None) != READ_ONLY_TRANSACTION or connection is None:
        return None
    driver = connection.connection.driver_connection
    if not isinstance(driver, DriverConnection) or not (driver.asked_to_write and driver.is_in_transaction()):
        return None
    if not driver.obeys_default:
        connection.invalidate()
    return Unavailable(READ_ONLY)


def end_refused_statement(context: ExceptionContext) -> None:
    """Send an empty query when asyncpg could not encode the values of a statement that PostgreSQL has prepared.

    Without the empty query, PostgreSQL would keep waiting for the values, and `statement_timeout` would cancel the next
    statement on the connection instead. Behind PgBouncer the server connection would also stay occupied.
    """
    # `__cause__` is asyncpg's error; SQLAlchemy's property `driver_exception` does not work for errors of the dialect.
    refusal = context.original_exception.__cause__
    client_side = isinstance(refusal, asyncpg.DataError | asyncpg.InterfaceError)
    of_the_server = getattr(refusal, "severity", None) is not None
    if not client_side or of_the_server or context.connection is None or context.connection.invalidated:
        return
    # If the empty query fails, the connection is closed, which ends the statement as well: ignore the error.
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await_(context.connection.connection.driver_connection.execute("SELECT"))  # type: ignore[union-attr] # asyncpg's

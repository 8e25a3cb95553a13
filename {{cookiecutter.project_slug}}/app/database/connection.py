"""Connections to PostgreSQL: the settings of each new connection, and SQLAlchemy's handlers of connection errors.

A direct connection sends the settings when it opens. Behind PgBouncer in transaction mode, each transaction may get a
different server connection, so the database role must have the settings instead: see `app/pgbouncer.py`.
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
"""The note on the error of a statement that failed because the schema changed after the connection prepared it."""

OUTDATED_ERRORS = (
    asyncpg.InvalidCachedStatementError,  # asyncpg raises this after a change of a result column's type
    asyncpg.OutdatedSchemaCacheError,  # asyncpg raises this after a change of a composite type's columns
    asyncpg.InvalidSQLStatementNameError,  # asyncpg raises this after DISCARD ALL or DEALLOCATE ALL
)

OUTDATED_TEXTS = {
    asyncpg.InternalServerError: "cache lookup failed",  # the OID of a dropped type or table is unknown
    asyncpg.InternalClientError: "could not resolve query result",  # a type was dropped before asyncpg looked it up
}
"""The beginning of the message of each error that means an outdated schema, by the class of the error.

The same classes are raised for many other problems, so the message must be compared. Neither PostgreSQL nor asyncpg
translates these messages."""

NO_STATEMENT_CACHE = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}

OTHER_TYPES = {"42704", "42804", "42846", "42883"}
"""SQLSTATEs of wrong types in a statement: undefined object, datatype mismatch, cannot coerce, undefined function.
These errors also follow a migration that drops and recreates a type: a prepared statement names each type by OID, and
keeps the old OID."""


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
    # `client_encoding` is spelled as PostgreSQL does: PgBouncer would take 'utf-8', asyncpg's default, for a changed
    # setting, and send a SET before each transaction.
    settings["client_encoding"] = "UTF8"
    # No cache of prepared statements: the next transaction may run on a server connection without the statement.
    # `any` turns off asyncpg's search for the primary: PgBouncer reports the state of the server that it reached first,
    # which may be outdated.
    return arguments | {"server_settings": settings, "target_session_attrs": "any"} | NO_STATEMENT_CACHE


def enforced(timeouts: Timeouts) -> dict[str, str]:
    """Return the server settings by which PostgreSQL itself enforces read-only transactions and timeouts."""
    return {
        "default_transaction_read_only": "on",
        "lock_timeout": _milliseconds(timeouts.lock),
        "statement_timeout": _milliseconds(timeouts.statement),
        # PostgreSQL closes a connection that sends nothing for this time while a transaction is open.
        "idle_in_transaction_session_timeout": _milliseconds(timeouts.idle or timeouts.command),
    }


def _milliseconds(limit: timedelta) -> str:
    return str(round(limit.total_seconds() * 1000))


def replace_outdated_connection(context: ExceptionContext) -> None:
    """Close a connection whose prepared statements belong to an older schema, and add a note to the error.

    SQLAlchemy's own mechanism for this is not used, as it compares times of the wall clock: after a backward jump of
    the clock, every use of the connection would fail.
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
    # An error with a `context` comes from inside an SQL function, not from a statement that this connection prepared.
    if getattr(refusal, "sqlstate", None) in OTHER_TYPES and not refusal.context:
        # If no cache has the prepared statement, preparing it failed: its SQL is wrong, and no schema change is the
        # cause.
        pooled: Any = context.connection.connection.dbapi_connection  # type: ignore[union-attr] # not None here
        own, driver = pooled._prepared_statement_cache or (), pooled.driver_connection._stmt_cache  # noqa: SLF001 - the statement caches have no public attribute
        return context.statement in own or driver.has((context.statement, asyncpg.Record, False))
    return isinstance(refusal, OUTDATED_ERRORS)


def remembers_older_schema(error: DBAPIError) -> bool:
    """Tell whether a statement failed because the schema changed after the connection had prepared the statement."""
    return OUTDATED in getattr(error, "__notes__", ())


def refuse_write(context: ExceptionContext) -> Unavailable | None:
    """Return `Unavailable`, a 503, for a write that PostgreSQL refused although the transaction began with READ WRITE.

    Return None for any other error, which is then raised unchanged. After a refused write the connection is closed:
    after a failover it may lead to a server that is no longer the primary. When an administrator has made the database
    read-only, the connection stays open: PostgreSQL would refuse a write on a new connection, too.
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
    """Send an empty SELECT when asyncpg could not encode the values of a statement that PostgreSQL has prepared.

    Without the empty SELECT, PostgreSQL would keep waiting for the values, and `statement_timeout` would cancel the
    next statement on the connection instead. Behind PgBouncer the server connection would also stay occupied.
    """
    # `__cause__` is asyncpg's error; SQLAlchemy's property `driver_exception` does not work for errors of the dialect.
    refusal = context.original_exception.__cause__
    client_side = isinstance(refusal, asyncpg.DataError | asyncpg.InterfaceError)
    of_the_server = getattr(refusal, "severity", None) is not None
    if not client_side or of_the_server or context.connection is None or context.connection.invalidated:
        return
    # If the empty SELECT fails, the connection is closed, which ends the prepared statement as well: ignore the error.
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await_(context.connection.connection.driver_connection.execute("SELECT"))  # type: ignore[union-attr] # asyncpg's

"""Connections to PostgreSQL: the server settings of each connection, and the reactions to errors of a connection.

A direct connection sends the settings when the connection starts. Behind PgBouncer in transaction mode a client borrows
a server connection for one transaction at a time, so the settings have to be on the database role: see `pgbouncer.py`.
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

READ_ONLY_TRANSACTION = "25006"  # the SQLSTATE of a write in a read-only transaction

OUTDATED = "The schema has changed since this connection prepared the statement."
"""The note on the error of a statement that would succeed on a new connection."""

OUTDATED_ERRORS = (
    asyncpg.InvalidCachedStatementError,  # the type of a column of the result changed
    asyncpg.OutdatedSchemaCacheError,  # the columns of a composite type changed
    asyncpg.InvalidSQLStatementNameError,  # DISCARD ALL or DEALLOCATE ALL dropped the prepared statements
)

NO_STATEMENT_CACHE = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}

OTHER_TYPES = {"42704", "42804", "42846", "42883"}
"""SQLSTATEs of a statement whose types do not fit: undefined object, datatype mismatch, cannot coerce, undefined
function. A prepared statement keeps the types of its values by number, also when a migration has recreated a type."""


def connect_args(timeouts: Timeouts, application_name: str, *, pgbouncer: bool) -> dict[str, Any]:
    """Return the engine's arguments for each new connection: timeouts, server settings and statement caches."""
    arguments = {
        "async_creator_fn": connect,
        "timeout": timeouts.connect.total_seconds(),
        "command_timeout": timeouts.command.total_seconds(),
    }
    settings = {"application_name": application_name, "timezone": "UTC"}
    if not pgbouncer:
        own = enforced(timeouts)
        return arguments | {"read_only": own.pop("default_transaction_read_only"), "server_settings": settings | own}
    # PgBouncer tells asyncpg's default 'utf-8' from PostgreSQL's UTF8, and would send a SET before each transaction
    settings["client_encoding"] = "UTF8"
    # no statement cache: behind PgBouncer the next transaction may run on a connection without the prepared statement
    # PgBouncer tells a new client the state of the first server that it reached, which may be a standby no more
    return arguments | {"server_settings": settings, "target_session_attrs": "any"} | NO_STATEMENT_CACHE


def enforced(timeouts: Timeouts) -> dict[str, str]:
    """Return the server settings by which PostgreSQL enforces read-only transactions and timeouts, in milliseconds."""
    return {
        "default_transaction_read_only": "on",
        "lock_timeout": _milliseconds(timeouts.lock),
        "statement_timeout": _milliseconds(timeouts.statement),
        # PostgreSQL ends a transaction whose client is silent for longer than one command may take
        "idle_in_transaction_session_timeout": _milliseconds(timeouts.idle or timeouts.command),
    }


def _milliseconds(limit: timedelta) -> str:
    return str(round(limit.total_seconds() * 1000))


def replace_outdated_connection(context: ExceptionContext) -> None:
    """Invalidate a database connection whose prepared statements belong to an older schema, and note that on the error.

    SQLAlchemy itself prepares some statements anew, but compares times of the wall clock: after a backward jump of the
    clock every use of the connection would fail.
    """
    error, connection = context.sqlalchemy_exception, context.connection
    if error is None or connection is None or connection.invalidated or not _is_outdated(context):
        return
    error.add_note(OUTDATED)
    connection.invalidate()


def _is_outdated(context: ExceptionContext) -> bool:
    """Tell whether a statement failed because the connection prepared the statement before the schema changed."""
    refusal: Any = context.original_exception.__cause__
    if isinstance(refusal, asyncpg.InternalServerError):  # XX000 in a text that PostgreSQL never translates
        return str(refusal).startswith("cache lookup failed")
    if getattr(refusal, "sqlstate", None) in OTHER_TYPES and not refusal.context:  # a context: inside of a function
        # a statement that fails while it is prepared is not in SQLAlchemy's cache: a bug, and no older schema
        pooled: Any = context.connection.connection.dbapi_connection  # type: ignore[union-attr] # not None here
        return context.statement in (pooled._prepared_statement_cache or ())  # noqa: SLF001 - SQLAlchemy shows it nowhere
    return isinstance(refusal, OUTDATED_ERRORS)


def remembers_older_schema(error: DBAPIError) -> bool:
    """Tell whether a statement failed because the schema changed after the connection had prepared the statement."""
    return OUTDATED in getattr(error, "__notes__", ())


def refuse_write(context: ExceptionContext) -> Unavailable | None:
    """Return the error of a write that PostgreSQL refused although the transaction asked to write: 503, not a bug.

    The connection is dropped, as it may lead to a server that was the primary before a failover; but not when the
    transaction obeys a default that is stored on the server, for then each refusal would cost a new connection.
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
    """Send an empty query after asyncpg refused to encode the values of a statement that PostgreSQL has prepared.

    Without the empty query PostgreSQL waits for the values while `statement_timeout` runs, and the timeout then cancels
    the next statement on the connection. Behind PgBouncer the server connection also stays occupied.
    """
    # `__cause__` is asyncpg's error; SQLAlchemy's `driver_exception` would raise for an error of the dialect itself
    refusal = context.original_exception.__cause__
    client_side = isinstance(refusal, asyncpg.DataError | asyncpg.InterfaceError)
    of_the_server = getattr(refusal, "severity", None) is not None
    if not client_side or of_the_server or context.connection is None or context.connection.invalidated:
        return
    # if the empty query fails, the connection is closed, which ends the statement as well
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await_(context.connection.connection.driver_connection.execute("SELECT"))  # type: ignore[union-attr] # asyncpg's

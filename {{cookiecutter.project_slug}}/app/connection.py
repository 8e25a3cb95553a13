"""One connection to PostgreSQL: what it asks of the server, and the three places where the driver needs help.

Directly at the server a connection brings its settings along. Behind PgBouncer in transaction mode it borrows a server
connection for one transaction at a time, so the settings have to be there already: see `pgbouncer.py`.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import ExceptionContext
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_

from app.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the database may keep this service waiting, innermost first."""

    connect: timedelta
    lock: timedelta
    statement: timedelta
    command: timedelta


class PgBouncerInBetween(Exception):
    """The address leads to PgBouncer, and the settings do not say so."""

    def __init__(self) -> None:
        super().__init__(
            "This address leads to PgBouncer, which refuses the settings of a connection: set "
            "DATABASE_PGBOUNCER_CONNECTIONS for the service, and DATABASE_DIRECT_URL for what must not go through it."
        )


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
        PgBouncerInBetween: it refuses the settings that a connection brings along.
    """
    try:
        return await asyncpg.connect(connection_class=_ReadOnlyByDefault, **arguments)
    except (OSError, TimeoutError) as error:
        raise Unavailable("The database cannot be reached.") from error
    except asyncpg.ProtocolViolationError as error:
        if "unsupported startup parameter" in str(error):
            raise PgBouncerInBetween from error
        raise


def connect_args(limits: Limits, application_name: str, *, pgbouncer: bool) -> dict[str, Any]:
    """Return what SQLAlchemy hands to `_connect`."""
    arguments = {
        "async_creator_fn": _connect,
        "timeout": limits.connect.total_seconds(),
        "command_timeout": limits.command.total_seconds(),
    }
    settings = {"application_name": application_name, "timezone": "UTC"}
    if not pgbouncer:
        return arguments | {"server_settings": settings | enforced(limits)}
    # asyncpg's own spelling, 'utf-8', PgBouncer takes for another encoding: a SET before each transaction
    settings["client_encoding"] = "UTF8"
    # a statement that was prepared on one server connection is unknown on the next; its columns may differ by then
    return arguments | {"server_settings": settings, "statement_cache_size": 0, "prepared_statement_cache_size": 0}


def enforced(limits: Limits) -> dict[str, str]:
    """Return the settings by which the server itself keeps the promises of a connection, times in milliseconds."""
    return {
        "default_transaction_read_only": "on",
        "lock_timeout": _milliseconds(limits.lock),
        "statement_timeout": _milliseconds(limits.statement),
        # a transaction that waits for its own client longer than one command was abandoned
        "idle_in_transaction_session_timeout": _milliseconds(limits.command),
    }


def _milliseconds(limit: timedelta) -> str:
    return str(round(limit.total_seconds() * 1000))


def replace_outdated_connection(context: ExceptionContext) -> None:
    """Drop a connection whose statements were prepared for an older schema, so that nobody meets them again.

    SQLAlchemy prepares them anew by itself, but tells old from new by the wall clock, and that may jump back.
    """
    outdated = isinstance(context.sqlalchemy_exception, DBAPIError) and remembers_older_schema(
        context.sqlalchemy_exception
    )
    if outdated and context.connection is not None and not context.connection.invalidated:
        context.connection.invalidate()


def remembers_older_schema(error: DBAPIError) -> bool:
    """Tell whether the connection was at fault, not the statement: the schema has changed since it was prepared."""
    return isinstance(error.orig, AsyncAdapt_asyncpg_dbapi.InvalidCachedStatementError)


def end_refused_statement(context: ExceptionContext) -> None:
    """Tell the server that nothing more comes, when asyncpg refused the values of a statement it had sent already.

    Else the server waits for them with its statement_timeout running, which then strikes whoever uses the connection
    next. Behind PgBouncer it also keeps the server connection from everybody else.
    """
    # not SQLAlchemy's `driver_exception`, which raises where the dialect itself made the error
    refusal = context.original_exception.__cause__
    client_side = isinstance(refusal, asyncpg.DataError | asyncpg.InterfaceError)
    of_the_server = getattr(refusal, "severity", None) is not None
    if not client_side or of_the_server or context.connection is None or context.connection.invalidated:
        return
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):  # then it is closed anyway
        await_(context.connection.connection.driver_connection.execute("SELECT"))  # type: ignore[union-attr] # asyncpg's

"""The driver's connection: asyncpg, extended so that writing must be asked for and a COMMIT that rolls back raises.

asyncpg begins and ends a transaction by sending `BEGIN ...` and `COMMIT`. This module adds SQL to these texts, which
costs no extra round trip.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

import asyncpg

from app.database.unreachable import why_unreachable
from app.errors import CannotStart, OutcomeUnknown, Unavailable
from app.request.deadline import UNCONFIRMED, await_commit, commit_answered
from app.settings.bounds import DSN_ONLY

STANDBY = "The database is a standby, which takes no writes."
READ_ONLY = "The database is read-only at the moment."

Observer = Callable[[str, float, int, BaseException | None], object]
"""A function that is called after a statement, with the SQL text, the seconds, the number of rows, -1 when unknown, and
the error of a statement that failed."""

OWN_DEFAULT = "tru"
"""A spelling of `true` that PostgreSQL accepts and stores as written, and that no administrator would use. By this
spelling the service recognises its own read-only default on the database role, see `role_sql`."""

FIND_DEFAULTS = r"SELECT FROM pg_db_role_setting WHERE setconfig::text ~ '\Wdefault_transaction_read_only=(?!tru\W)'"
"""SQL that finds the read-only defaults which ALTER DATABASE or ALTER ROLE has stored on the server, usually none."""

OBEY_DEFAULTS = """
    SELECT set_config('transaction_read_only', 'on', true) WHERE coalesce((
        SELECT split_part(setting, '=', 2)::bool FROM pg_db_role_setting, unnest(setconfig) AS setting
        WHERE starts_with(setting, 'default_transaction_read_only=') AND NOT setting LIKE '%=tru'
        AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND setrole IN (0, quote_ident(session_user)::regrole)
        ORDER BY setrole = 0, setdatabase = 0 LIMIT 1), {})
"""
"""SQL that makes a transaction read-only if an administrator's default says so. PostgreSQL takes the most specific
stored default, of role and database; without any, the default of the server, which replaces `{}`."""

LIFT_OWN = "SET LOCAL default_transaction_read_only TO DEFAULT;"
"""SQL that removes the service's own read-only default for one transaction, so that the server's default applies."""

IS_OF_SERVER = "SELECT FROM pg_settings WHERE name = 'default_transaction_read_only' AND source ~ 'default|file|line'"
"""SQL that tells whether a connection began with the read-only default of the server, from postgresql.conf or the
command line, and not with the default of a database or a role."""


class PgBouncerInBetween(CannotStart):
    """Raised when a connection reaches PgBouncer although DATABASE_PGBOUNCER_CONNECTIONS is not set."""

    def __init__(self) -> None:
        super().__init__(
            "This address leads to PgBouncer, which refuses the settings of a connection: set "
            "DATABASE_PGBOUNCER_CONNECTIONS for the service, and DATABASE_DIRECT_URL for what must not go through it."
        )


class DriverConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg ships no types
    """An asyncpg connection that only reads unless a transaction asks to write, and raises when a COMMIT rolls back.

    By the setting `default_transaction_read_only` PostgreSQL refuses a write through a `Reader`. A write transaction
    asks for READ WRITE. That would also override the read-only default of an administrator, who may have set it on the
    server, the database or the role, for a maintenance or a full disk. So each write transaction looks for such
    defaults, and becomes read-only again if there is one. Behind PgBouncer the role's own default hides that of the
    server.
    """

    asked_to_write = False
    """Whether the last transaction asked to write. If not, a refused write is a bug of the service."""
    obeys_default = False
    """Whether the last transaction is read-only because of a default that an administrator has stored on the server."""
    observe: Observer = staticmethod(lambda *_: None)
    """Called after each COMMIT, to time it for the request; `Reader` and SQLAlchemy's events report all other
    statements."""
    _lift_own = ""
    """The SQL that removes the service's own read-only default, so that the server's default is visible; else empty."""

    async def only_read(self, default: str, lock_timeout: str) -> None:
        """Make all statements outside of a write transaction read-only, by a setting of the session.

        A setting that is sent when the connection opens would hide a read-only default that an administrator has
        stored. The SQL here does nothing when a pooler has dropped the settings of the connection, as the setting would
        then reach other clients of the pooler.
        """
        if await super().execute(IS_OF_SERVER) == "SELECT 1":
            self._lift_own = LIFT_OWN
        set_own = f"SELECT set_config('default_transaction_read_only', '{default}', false)"
        await super().execute(f"{set_own} WHERE current_setting('lock_timeout')::interval = '{lock_timeout} ms'")

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - the signature of asyncpg's `execute`
        """Run one or several statements without values; asyncpg begins and ends transactions by this method."""
        if query.startswith("BEGIN"):
            return await self._begin(query)
        if query.startswith("COMMIT"):
            return await self._commit(query)
        status: str = await super().execute(query, *args, timeout=timeout)
        return status

    async def _begin(self, query: str) -> str:
        self.asked_to_write, self.obeys_default = "READ ONLY" not in query, False
        if self.asked_to_write:
            query = f"{query.replace('BEGIN', 'BEGIN READ WRITE', 1)} {self._lift_own} {FIND_DEFAULTS}"
        try:
            status: str = await super().execute(query)
            of_server = self._lift_own and self.get_settings().default_transaction_read_only == "on"
            if self.asked_to_write and (of_server or status != "SELECT 0"):
                self.obeys_default = await super().execute(OBEY_DEFAULTS.format(bool(of_server))) == "SELECT 1"
        except asyncpg.PostgresError as error:
            # asyncpg thinks that the transaction is still open, and would make the next transaction a savepoint
            self.terminate()
            if isinstance(error, asyncpg.FeatureNotSupportedError):  # SQLSTATE 0A000: a standby refuses READ WRITE
                raise Unavailable(STANDBY) from error
            raise
        return status

    async def _commit(self, query: str) -> str:
        await_commit(self._config.command_timeout)
        began = perf_counter()
        try:
            status: str = await super().execute(query)
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError) as error:
            self.terminate()
            raise OutcomeUnknown(f"The database did not confirm the write. {UNCONFIRMED}") from error
        finally:
            self.observe("COMMIT", perf_counter() - began, 0, None)
        commit_answered()
        if status == "ROLLBACK":
            # A statement failed and the caller ignored the error: PostgreSQL then answers COMMIT with ROLLBACK.
            raise asyncpg.InFailedSQLTransactionError("not committed: the error of a statement was ignored")
        return status


async def connect(read_only: str | None = None, **arguments: Any) -> DriverConnection:  # noqa: ANN401 - the arguments of asyncpg's `connect`
    """Open a database connection; raise `Unavailable` for an unreachable server.

    SQLAlchemy would pass on asyncpg's OSError, which no error handler could tell from other errors.

    Args:
        read_only: the service's own read-only default, None when the database role has it; see `only_read`.
        arguments: the arguments of asyncpg.

    Raises:
        Unavailable: nothing listens at the address, the name does not resolve, the timeout passed, or the server is a
            standby and the arguments ask for the primary.
        PgBouncerInBetween: PgBouncer refuses the settings that a connection sends at its start.
    """
    # asyncpg takes the parameters of DSN_ONLY only from a DSN, and all others as arguments too.
    if files := {name: arguments.pop(name) for name in DSN_ONLY & arguments.keys()}:
        arguments["dsn"] = f"postgresql://?{urlencode(files)}"
    try:
        connection: DriverConnection = await asyncpg.connect(connection_class=DriverConnection, **arguments)
        if read_only:
            try:
                await connection.only_read(read_only, arguments["server_settings"]["lock_timeout"])
            # close the connection also after a cancellation: it is in no pool yet, so nothing else would close it
            except BaseException:
                connection.terminate()
                raise
    except (OSError, TimeoutError, asyncpg.ClientConfigurationError) as error:
        raise Unavailable(why_unreachable(error)) from error
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise Unavailable(STANDBY) from error
    except asyncpg.ProtocolViolationError as error:
        if "unsupported startup parameter" in str(error):
            raise PgBouncerInBetween from error
        raise
    return connection

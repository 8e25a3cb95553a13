"""`DriverConnection`: an asyncpg connection that is read-only outside of write transactions and checks each COMMIT.

asyncpg sends `BEGIN ...` and `COMMIT` as texts. This module extends the text of BEGIN, so a write transaction costs no
extra round trip, unless an administrator has stored a read-only default. After COMMIT it checks PostgreSQL's reply.
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
"""A function that is called after each SQL statement, with the SQL text, the duration in seconds, the number of rows
(-1 if unknown), and the error (None after a success)."""

OWN_DEFAULT = "tru"
"""The value of `default_transaction_read_only` that `role_sql` stores on the service's database role. PostgreSQL
accepts this spelling of `true` and stores it as written; no administrator would use it, so it marks the default as the
service's."""

FIND_DEFAULTS = r"SELECT FROM pg_db_role_setting WHERE setconfig::text ~ '\Wdefault_transaction_read_only=(?!tru\W)'"
"""SQL that finds values of `default_transaction_read_only` that an administrator has set by ALTER DATABASE or ALTER
ROLE, usually none. The service's own default on the database role does not count."""

OBEY_DEFAULTS = """
    SELECT set_config('transaction_read_only', 'on', true) WHERE coalesce((
        SELECT split_part(setting, '=', 2)::bool FROM pg_db_role_setting, unnest(setconfig) AS setting
        WHERE starts_with(setting, 'default_transaction_read_only=') AND NOT setting LIKE '%=tru'
        AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND setrole IN (0, quote_ident(session_user)::regrole)
        ORDER BY setrole = 0, setdatabase = 0 LIMIT 1), {})
"""
"""SQL that makes the current transaction read-only if an administrator has set `default_transaction_read_only`. As in
PostgreSQL, the value of the role in this database comes first, then that of the role, of the database, and of the
server, which replaces `{}`."""

LIFT_OWN = "SET LOCAL default_transaction_read_only TO DEFAULT;"
"""SQL that removes the service's own read-only default for one transaction, so that the server's default applies."""

IS_OF_SERVER = "SELECT FROM pg_settings WHERE name = 'default_transaction_read_only' AND source ~ 'default|file|line'"
"""SQL that tells whether a new connection has the read-only default of the server, from postgresql.conf or the command
line, and not the default of a database or a role."""


class PgBouncerInBetween(CannotStart):
    """Raised when a connection reaches PgBouncer although DATABASE_PGBOUNCER_CONNECTIONS is not set."""

    def __init__(self) -> None:
        super().__init__(
            "This address leads to PgBouncer, which refuses the settings of a connection: set "
            "DATABASE_PGBOUNCER_CONNECTIONS for the service, and DATABASE_DIRECT_URL for what must not go through it."
        )


class DriverConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg ships no types
    """An asyncpg connection that is read-only outside of write transactions, and raises when a COMMIT rolls back.

    The setting `default_transaction_read_only` makes PostgreSQL refuse a write through a `Reader`. A write transaction
    begins with READ WRITE. That would also override a read-only default of an administrator, who may have stored it on
    the server, the database or the role, during maintenance or because the disk is full. So each write transaction
    looks for these defaults, and becomes read-only again if it finds one. Limit: behind PgBouncer, the service's
    default on the database role hides a default of the server.
    """

    asked_to_write = False
    """Whether the last transaction began with READ WRITE. If not, a refused write is a bug of the service."""
    obeys_default = False
    """Whether the last transaction is read-only by an administrator's default on the server, database or role."""
    observe: Observer = staticmethod(lambda *_: None)
    """The observer that is called after each COMMIT, to time the COMMIT for the request. `Reader` and a listener on
    SQLAlchemy's dialect time the other statements."""
    _lift_own = ""
    """`LIFT_OWN` if the server's read-only default applies to this connection, so that each write transaction sees that
    default; empty if a database's or a role's default applies."""

    async def only_read(self, default: str, lock_timeout: str) -> None:
        """Make the session read-only outside of write transactions, after the connection has opened.

        If the setting were sent while the connection opens, it would hide an administrator's read-only default. The
        session stays unchanged if a pooler between the service and PostgreSQL has dropped the settings of the
        connection, which the wrong `lock_timeout` shows: other clients of the pooler would get the read-only session.
        """
        if await super().execute(IS_OF_SERVER) == "SELECT 1":
            self._lift_own = LIFT_OWN
        set_own = f"SELECT set_config('default_transaction_read_only', '{default}', false)"
        await super().execute(f"{set_own} WHERE current_setting('lock_timeout')::interval = '{lock_timeout} ms'")

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's `execute` has this parameter
        """Run SQL as asyncpg's `execute` does, but extend BEGIN and check COMMIT: asyncpg sends both by this method."""
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
            # close the connection: asyncpg takes the failed transaction for open, and would begin a savepoint next
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
        read_only: the service's own read-only default for the session, see `only_read`; None for no default, as when
            the database role has a default already.
        arguments: the arguments of asyncpg's `connect`.

    Raises:
        Unavailable: nothing listens at the address, the name does not resolve, the timeout passed, or the server is a
            standby and the arguments ask for the primary.
        PgBouncerInBetween: PgBouncer refuses the settings that a connection sends at its start.
    """
    # asyncpg's `connect` accepts the parameters in DSN_ONLY only in a DSN, not as arguments.
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

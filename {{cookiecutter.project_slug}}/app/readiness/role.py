"""The role check of readiness: does each connection have the timeouts and the read-only default of the service?

A direct connection sends these settings at its start; behind PgBouncer the database role has the settings. An
undeclared pooler in between may drop the settings silently, so a worker checks a real connection, that of the readiness
probe: once at the start, and never again after a success. When the database does not answer, the worker starts anyway,
and readiness repeats the check before the worker becomes ready.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.database.driver import OWN_DEFAULT
from app.database.reader import Reader
from app.errors import CannotStart, ServiceError

FIND = text("SELECT name, setting, source, current_user, current_database() FROM pg_settings WHERE name = ANY(:names)")

OWN_SOURCES = {"client", "session"}
"""PostgreSQL's names for the sources of a setting that the client sent at the start of the connection, or later."""

log = structlog.get_logger("role")


class RoleError(CannotStart):
    """A database connection lacks a timeout or the read-only default of the service; the message says what to do."""


@dataclass(slots=True)
class RoleCheck:
    """Checks a database connection until no required setting is missing; usually this takes one query per worker."""

    enforced: Mapping[str, str]
    """The PostgreSQL settings that each connection must have, by name, as `database/connection.py` sets them."""
    reader: Reader
    pgbouncer: bool
    """Whether DATABASE_PGBOUNCER_CONNECTIONS is set. PgBouncer does not pass on the settings of a client, so that the
    database role must have the settings."""
    missing: tuple[str, ...] = ()
    """The names of the required PostgreSQL settings that the connection lacks."""
    remedy: str = ""
    """The SQL with which an administrator gives the role the missing settings."""
    _settled: bool = False

    async def at_start(self) -> None:
        """Check a connection once at the start; when the database does not answer, readiness repeats the check.

        Raises:
            RoleError: the connection lacks a required setting.
        """
        try:
            await self.ask()
        except (DBAPIError, ServiceError, TimeoutError) as error:
            log.warning("database role check waits for the database", reason=type(error).__name__)
        if self.missing:
            raise RoleError(self._refusal())

    def _refusal(self) -> str:
        names = ", ".join(self.missing)
        if self.pgbouncer:
            return (
                f"Behind PgBouncer the database role has to keep {names}. Run this on the server, then RECONNECT on "
                f"PgBouncer's console, for its open connections stay as they are:\n{self.remedy}"
            )
        return (
            f"A pooler in between, such as PgBouncer with ignore_startup_parameters, drops the {names} of each "
            "connection: set DATABASE_PGBOUNCER_CONNECTIONS for the service, and DATABASE_DIRECT_URL for what must not "
            "go through it."
        )

    async def ask(self) -> None:
        """Check the settings of a connection, unless an earlier check succeeded."""
        if self._settled:
            return
        rows = (await self.reader.execute(FIND, {"names": list(self.enforced)})).all()
        # With PgBouncer in the settings, all sources count, as the database role has the values. Without PgBouncer,
        # only values that the connection itself sent count: an undeclared pooler drops these.
        found = {row.name: row.setting for row in rows if self.pgbouncer or row.source in OWN_SOURCES}
        self.missing = tuple(name for name, most in self.enforced.items() if not _enforces(found.get(name, "0"), most))
        self.remedy = role_sql(rows[0].current_user, rows[0].current_database, self.enforced)
        self._settled = not self.missing

    @property
    def refusals(self) -> tuple[str, ...]:
        """The reasons why this process must receive no traffic; empty when a connection has all required settings."""
        owner = "the database role does not keep" if self.pgbouncer else "a pooler in between drops"
        return (f"{owner} {', '.join(self.missing)}",) if self.missing else ()


def _enforces(found: str, promised: str) -> bool:
    """Tell whether a setting has the required value or is a shorter timeout; 0 turns a PostgreSQL timeout off."""
    return found == promised or (found.isdecimal() and promised.isdecimal() and 0 < int(found) < int(promised))


def role_sql(role: str, database: str, enforced: Mapping[str, str]) -> str:
    """Return the SQL that sets these PostgreSQL settings for every new connection of a role to a database.

    The SQL runs in a READ WRITE transaction, because the role's transactions are read-only by default after an earlier
    run. The read-only default gets an unusual spelling of `true`. A write transaction of the service overrides only a
    default with this spelling, and never a read-only default that an administrator has set.
    """
    where = f"ALTER ROLE {_quoted(role)} IN DATABASE {_quoted(database)}"
    settings = [f"{where} SET {name} = {OWN_DEFAULT if value == 'on' else value};" for name, value in enforced.items()]
    return "\n".join(["BEGIN READ WRITE;", *settings, "COMMIT;"])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

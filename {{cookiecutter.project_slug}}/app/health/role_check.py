"""Behind PgBouncer: ask whether the database role keeps what a connection cannot bring along there.

Asked at the start, on the probe's connection, and never again once the answer was yes. A database that is away does not
prevent the start; then readiness asks before it first says ready.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.errors import ServiceError
from app.reader import Reader

FIND = text("SELECT name, setting, current_user, current_database() FROM pg_settings WHERE name = ANY(:names)")

log = structlog.get_logger("role")


class RoleError(Exception):
    """The role does not keep the promises of a connection; the message says what to run."""


@dataclass(slots=True)
class RoleCheck:
    """Asks until the server enforces at least what the settings promise; one query in the life of a worker."""

    enforced: Mapping[str, str]
    """The settings that must hold on each server connection; see `connection.enforced`."""
    reader: Reader
    missing: tuple[str, ...] = ()
    """The names of those that do not."""
    remedy: str = ""
    """The SQL that sets them."""
    _settled: bool = False

    async def at_start(self) -> None:
        """Ask once; a database that does not answer is asked again by readiness.

        Raises:
            RoleError: the server does not enforce the settings.
        """
        try:
            await self.ask()
        except (DBAPIError, ServiceError, TimeoutError) as error:
            log.warning("role not checked yet", reason=type(error).__name__)
        if self.missing:
            raise RoleError(
                f"Behind PgBouncer the database role has to keep {', '.join(self.missing)}. Run this on the server, "
                f"then RECONNECT on PgBouncer's console, for its open connections stay as they are:\n{self.remedy}"
            )

    async def ask(self) -> None:
        """Compare, unless that is settled."""
        if self._settled:
            return
        rows = (await self.reader.execute(FIND, {"names": list(self.enforced)})).all()
        found = {row.name: row.setting for row in rows}
        self.missing = tuple(name for name, most in self.enforced.items() if not _holds(found[name], most))
        self.remedy = role_sql(rows[0].current_user, rows[0].current_database, self.enforced)
        self._settled = not self.missing

    @property
    def refusals(self) -> tuple[str, ...]:
        """Return why traffic should stay away."""
        return (f"the database role does not keep {', '.join(self.missing)}",) if self.missing else ()


def _holds(found: str, promised: str) -> bool:
    """Tell whether a setting is the promised one, or a time shorter than it; a time of 0 is none at all."""
    return found == promised or (found.isdecimal() and promised.isdecimal() and 0 < int(found) < int(promised))


def role_sql(role: str, database: str, enforced: Mapping[str, str]) -> str:
    """Return the statements that give every new connection of this role to this database these settings.

    They ask to write: where they ran before, and the role runs them itself, transactions only read.
    """
    where = f"ALTER ROLE {_quoted(role)} IN DATABASE {_quoted(database)}"
    settings = [f"{where} SET {name} = {value};" for name, value in enforced.items()]
    return "\n".join(["BEGIN READ WRITE;", *settings, "COMMIT;"])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""Readiness: decides whether this process may receive traffic.

A process is ready when it is not draining and its database answers, is the primary, has the schema of this code,
enforces the timeouts, and has connections for all replicas.
"""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.database.driver import STANDBY, PgBouncerInBetween
from app.database.reader import Reader
from app.errors import ServiceError
from app.readiness.capacity import CapacityCheck
from app.readiness.role import RoleCheck
from app.readiness.schema import Revisions

TIMEOUT_SECONDS = 1.0
"""The timeout of the queries of one readiness check, in seconds: Kubernetes abandons a probe after 1 s."""

CACHE_SECONDS = 1.0
"""How long the result of a readiness check is used again, in seconds: even with several load balancers that probe, a
worker runs one query a second."""

UNDEFINED_TABLE = "42P01"
LOGIN_REFUSED = "28"  # the SQLSTATE class of refused logins: unknown role, wrong password, no entry in pg_hba.conf

# The readiness query also asks whether the server is a standby. PostgreSQL tells this to each new connection, but
# PgBouncer may report the state of a former server.
FIND = text("SELECT version_num, pg_is_in_recovery() AS standby FROM alembic_version")

log = structlog.get_logger("readiness")


@dataclass(slots=True)
class Readiness:
    """The readiness of this process: queries the database at most once a second, for any number of probes."""

    reader: Reader
    """Runs queries outside of the pool: a busy pool is no reason to move traffic to an equally busy replica."""
    revisions: Revisions
    capacity: CapacityCheck
    role: RoleCheck
    instance_id: str | None = None
    """The id of this instance, which is part of the readiness response: a load balancer or test that probes the port
    can see whether a different service answers."""
    primary: bool = True
    """Whether the database must be the primary; see DATABASE_TARGET."""
    draining: bool = False
    """Set at SIGTERM, so that readiness fails and load balancers stop sending requests."""
    _reasons: tuple[str, ...] = ()
    _expires: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asking: set[asyncio.Task[tuple[str, ...]]] = field(default_factory=set)

    def is_draining(self) -> bool:
        """Tell whether the graceful shutdown of this process has begun."""
        return self.draining

    async def reasons(self) -> tuple[str, ...]:
        """Return the reasons why this process must receive no traffic; empty means ready."""
        if self.draining:
            return ("the process is stopping",)
        async with self._lock:
            if monotonic() >= self._expires:
                self._reasons = await self._ask_in_time()
                self._expires = monotonic() + CACHE_SECONDS
        return self._reasons

    def forget(self) -> None:
        """Drop the cached result, so that the next readiness check queries the database."""
        self._expires = 0.0

    async def _ask_in_time(self) -> tuple[str, ...]:
        """Query the database; return at the timeout even if a frozen server does not react to the cancelled query."""
        asking = asyncio.create_task(self._ask_database(), name="readiness")
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        await asyncio.wait({asking}, timeout=TIMEOUT_SECONDS)
        if asking.done():
            return asking.result()
        asking.cancel()
        return (f"the database did not answer within {TIMEOUT_SECONDS:g} s",)

    async def _ask_database(self) -> tuple[str, ...]:
        try:
            found = (await self.reader.execute(FIND)).all()
            await self.capacity.ask()  # no query once the capacity plan fits PostgreSQL's limits
            await self.role.ask()
        except DBAPIError as error:
            sqlstate = getattr(error.orig, "sqlstate", None) or ""
            if sqlstate == UNDEFINED_TABLE:
                return self.revisions.missing(())
            log.warning("readiness query failed", exc_info=True)
            refused = "login" if sqlstate.startswith(LOGIN_REFUSED) else "readiness query"
            return (f"the database refused the {refused}",)
        except (ServiceError, PgBouncerInBetween, TimeoutError) as error:
            return (str(error) or "the database did not answer",)
        standby = (STANDBY,) if self.primary and any(row.standby for row in found) else ()
        missing = self.revisions.missing(tuple(row.version_num for row in found))
        return (*standby, *missing, *self.capacity.refusals, *self.role.refusals)

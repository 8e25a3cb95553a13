"""Decide whether this process may get traffic.

It is not draining, and its database answers, with a schema that it knows, and has room for all of its copies.
"""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.capacity.check import CapacityCheck
from app.connection import PgBouncerInBetween
from app.errors import ServiceError
from app.health.revisions import Revisions
from app.health.role_check import RoleCheck
from app.reader import Reader

TIME_LIMIT_SECONDS = 1.0  # a probe that waits longer than its caller tells nothing
CACHE_SECONDS = 1.0  # several balancers probing every worker cost one query a second
UNDEFINED_TABLE = "42P01"
LOGIN_REFUSED = "28"  # the class of them: an unknown role, a wrong password, no entry in pg_hba.conf

log = structlog.get_logger("readiness")


@dataclass(slots=True)
class Readiness:
    """Ask the database at most once a second and remember the answer; any number of callers share one query."""

    reader: Reader
    """Of an engine of its own: a busy pool is no reason to send the traffic to the next copy, which is as busy."""
    revisions: Revisions
    capacity: CapacityCheck
    role: RoleCheck | None = None
    """Only behind PgBouncer."""
    draining: bool = False
    """Set when the process was told to stop: the balancer should look elsewhere."""
    _reasons: tuple[str, ...] = ()
    _expires: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asking: set[asyncio.Task[tuple[str, ...]]] = field(default_factory=set)

    async def reasons(self) -> tuple[str, ...]:
        """Return why traffic should stay away; empty means ready."""
        if self.draining:
            return ("the process is stopping",)
        async with self._lock:
            if monotonic() >= self._expires:
                self._reasons = await self._ask_in_time()
                self._expires = monotonic() + CACHE_SECONDS
        return self._reasons

    def forget(self) -> None:
        """Ask anew at the next call."""
        self._expires = 0.0

    async def _ask_in_time(self) -> tuple[str, ...]:
        """Answer at the limit even when the query cannot be ended at once: a frozen server does not hear a cancel."""
        asking = asyncio.create_task(self._ask_database(), name="readiness")
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        await asyncio.wait({asking}, timeout=TIME_LIMIT_SECONDS)
        if asking.done():
            return asking.result()
        asking.cancel()
        return (f"the database did not answer within {TIME_LIMIT_SECONDS:g} s",)

    async def _ask_database(self) -> tuple[str, ...]:
        try:
            found = (await self.reader.scalars(text("SELECT version_num FROM alembic_version"))).all()
            await self.capacity.ask()  # costs a query only until the server has said that the plan fits
            if self.role:
                await self.role.ask()
        except DBAPIError as error:
            sqlstate = getattr(error.orig, "sqlstate", None) or ""
            if sqlstate == UNDEFINED_TABLE:
                return self.revisions.missing(())
            log.warning("readiness query failed", exc_info=True)
            what = "login" if sqlstate.startswith(LOGIN_REFUSED) else "readiness query"
            return (f"the database refused the {what}",)
        except (ServiceError, PgBouncerInBetween, TimeoutError) as error:
            return (str(error) or "the database did not answer",)
        role_refusals = self.role.refusals if self.role else ()
        return (*self.revisions.missing(tuple(found)), *self.capacity.refusals, *role_refusals)

"""The capacity check of readiness: does PostgreSQL allow as many connections as the capacity plan needs?

A worker checks at the start, on the connection of the readiness probe. When the database does not answer, the worker
starts anyway, and readiness repeats the check before the worker becomes ready.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.capacity.plan import CapacityError, Plan
from app.database.reader import Reader
from app.errors import ServiceError
from app.settings.capacity import CapacityPolicy

# The setting `reserved_connections` exists since PostgreSQL 16. A CONNECTION LIMIT of -1 means no limit, and superusers
# have no CONNECTION LIMIT.
LIMITS = text("""
    SELECT name, setting::int FROM pg_settings
    WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
    UNION ALL
    SELECT 'role', rolconnlimit FROM pg_roles WHERE rolname = current_user AND NOT rolsuper AND rolconnlimit >= 0
    UNION ALL
    SELECT 'database', datconnlimit FROM pg_database JOIN pg_roles ON rolname = current_user AND NOT rolsuper
    WHERE datname = current_database() AND datconnlimit >= 0
""")

log = structlog.get_logger("capacity")


@dataclass(slots=True)
class CapacityCheck:
    """Compares the capacity plan with PostgreSQL's limits, until the plan fits; usually one query per worker."""

    plan: Plan
    reader: Reader
    policy: CapacityPolicy
    misfit: str | None = None
    """The message about a plan that needs more connections than PostgreSQL allows; None before the check and for a plan
    that fits."""
    _settled: bool = False

    async def at_start(self) -> None:
        """Check the plan once at the start; when the database does not answer, readiness repeats the check.

        Raises:
            CapacityError: the plan needs more connections than PostgreSQL allows, and the policy is `refuse`.
        """
        try:
            await self.ask()
        except (DBAPIError, ServiceError, TimeoutError) as error:
            log.warning("capacity check waits for the database", reason=type(error).__name__)
        if self.misfit and self.policy == "refuse":
            raise CapacityError(self.misfit)

    async def ask(self) -> None:
        """Check the plan against PostgreSQL's limits, unless an earlier check has succeeded or warned."""
        if self._settled or self.policy == "off":
            return
        limits = {name: number for name, number in await self.reader.execute(LIMITS)}  # noqa: C416 - mypy rejects `dict(rows)`
        self.misfit = misfit(self.plan, limits)
        self._settled = self.misfit is None or self.policy == "warn"
        if self.misfit and self.policy == "warn":
            log.warning("capacity plan exceeds the connections of the database server", reason=self.misfit)

    @property
    def refusals(self) -> tuple[str, ...]:
        """The reasons of the capacity check why this process must receive no traffic.

        There is no reason when PostgreSQL allows the connections of the capacity plan, or when DATABASE_CAPACITY_CHECK
        only warns.
        """
        return (self.misfit,) if self.misfit and self.policy == "refuse" else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of the capacity check, which the readiness probe reports while this process receives traffic."""
        return (self.misfit,) if self.misfit and self.policy == "warn" else ()


def misfit(plan: Plan, limits: Mapping[str, int]) -> str | None:
    """Return a message about a plan that needs more connections than PostgreSQL allows, None for a plan that fits."""
    most, kept = limits["max_connections"], reserve_of(limits)
    reserve = max(plan.database_reserved_connections, kept)
    needed = f"All replicas together open up to {plan.server_connections} connections"
    if plan.server_connections + reserve > most:
        return f"{needed} and leave {reserve} free, but the server has {most}. {_ways_out(plan, most, kept)}"
    for owner in ("role", "database"):
        if plan.server_connections > limits.get(owner, plan.server_connections):
            ways_out = _ways_out(plan, limits[owner] + plan.database_reserved_connections, kept)
            return f"{needed}, but the {owner} has a CONNECTION LIMIT of {limits[owner]}. {ways_out}"
    return None


def reserve_of(limits: Mapping[str, int]) -> int:
    """Return the number of connections that PostgreSQL reserves for superusers and for reserved roles."""
    return limits["superuser_reserved_connections"] + limits.get("reserved_connections", 0)


def _ways_out(plan: Plan, most: int, kept: int) -> str:
    if plan.database_pgbouncer_connections is not None:
        return "Lower PgBouncer's default_pool_size, and DATABASE_PGBOUNCER_CONNECTIONS with it, or raise that limit."
    return (
        f"Set DATABASE_MAX_CONNECTIONS={most} and DATABASE_RESERVED_CONNECTIONS to {kept} or more for smaller pools, "
        "lower WEB_CONCURRENCY or REPLICAS, raise the server's limit, or put PgBouncer in between and set "
        "DATABASE_PGBOUNCER_CONNECTIONS."
    )

"""Compare the plan with the real server: a number in a setting is only what somebody once believed.

Asked at the start, on the probe's connection. A database that is away does not prevent the start; then readiness asks
before it first says ready.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.capacity.plan import CapacityError, Plan
from app.capacity.settings import CapacityPolicy
from app.errors import ServiceError
from app.reader import Reader

# reserved_connections exists since PostgreSQL 16. Superusers have no limit of their own, nor has who has -1.
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
    """Asks the server until it said that the plan fits; one query in the life of a worker, if it does."""

    plan: Plan
    reader: Reader
    policy: CapacityPolicy
    misfit: str | None = None
    """Why the plan does not fit the server, in one sentence; None while nothing is known against it."""
    _settled: bool = False

    async def at_start(self) -> None:
        """Ask once; a database that does not answer is asked again by readiness.

        Raises:
            CapacityError: the plan does not fit, and the policy is to refuse.
        """
        try:
            await self.ask()
        except (DBAPIError, ServiceError, TimeoutError) as error:
            log.warning("capacity not checked yet", reason=type(error).__name__)
        if self.misfit and self.policy == "refuse":
            raise CapacityError(self.misfit)

    async def ask(self) -> None:
        """Compare, unless that is settled."""
        if self._settled or self.policy == "off":
            return
        limits = {name: number for name, number in await self.reader.execute(LIMITS)}  # noqa: C416 - rows are no pairs to mypy
        self.misfit = misfit(self.plan, limits)
        self._settled = self.misfit is None or self.policy == "warn"
        if self.misfit and self.policy == "warn":
            log.warning("the plan does not fit the server", reason=self.misfit)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Return why traffic should stay away."""
        return (self.misfit,) if self.misfit and self.policy == "refuse" else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what a person should know although traffic may come."""
        return (self.misfit,) if self.misfit and self.policy == "warn" else ()


def misfit(plan: Plan, limits: Mapping[str, int]) -> str | None:
    """Return why the plan does not fit a server with these limits, or None."""
    most, kept = limits["max_connections"], reserve_of(limits)
    reserve = max(plan.reserved_connections, kept)
    needed = f"All copies together open up to {plan.server_connections} connections"
    if plan.server_connections + reserve > most:
        return f"{needed} and leave {reserve} to others, but the server has {most}. {_ways_out(plan, most, kept)}"
    for who in ("role", "database"):
        if plan.server_connections > limits.get(who, plan.server_connections):
            ways_out = _ways_out(plan, limits[who] + plan.reserved_connections, kept)
            return f"{needed}, but the {who} has a CONNECTION LIMIT of {limits[who]}. {ways_out}"
    return None


def reserve_of(limits: Mapping[str, int]) -> int:
    """Return the connections that the server itself keeps for others."""
    return limits["superuser_reserved_connections"] + limits.get("reserved_connections", 0)


def _ways_out(plan: Plan, most: int, kept: int) -> str:
    if plan.pgbouncer_connections is not None:
        return "Lower PgBouncer's default_pool_size, and DATABASE_PGBOUNCER_CONNECTIONS with it, or raise that limit."
    return (
        f"Set DATABASE_MAX_CONNECTIONS={most} and DATABASE_RESERVED_CONNECTIONS to {kept} or more for smaller pools, "
        "lower WEB_CONCURRENCY or REPLICAS, raise the server's limit, or put PgBouncer in between and set "
        "DATABASE_PGBOUNCER_CONNECTIONS."
    )

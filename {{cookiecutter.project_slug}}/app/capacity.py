"""One arithmetic for every bound that depends on another: workers, pools, threads. Pure: numbers in, numbers out.

    workers x (pool + 1) x replicas x 2 (while rolling out) + reserve <= the server's max_connections

The one beside the pool is the readiness probe's, which must not queue behind the requests that it judges.

`gunicorn.conf.py` takes the workers from here and `lifespan.py` the pool, so no two places can disagree.
`python -m app.capacity` prints the plan.
"""

from dataclasses import dataclass

from app.server.cpus import available_cpus
from app.settings import Settings, load_settings

SURGE = 2  # old and new copies run side by side during a rolling update
PROBE = 1  # the connection of a worker's readiness probe


class CapacityError(Exception):
    """The numbers cannot be brought together; the message says which and what to change."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The bounds of one copy of the service."""

    workers: int
    """Processes; each has one event loop."""
    pool_size: int
    """Database connections per worker; there is no overflow, it only makes the tail longer."""
    thread_tokens: int
    """Threads per worker for blocking calls."""
    replicas: int
    max_connections: int
    reserved_connections: int

    @property
    def peak_connections(self) -> int:
        """Connections that all copies hold together in the middle of a rolling update."""
        return self.workers * (self.pool_size + PROBE) * self.replicas * SURGE


def plan_for(settings: Settings) -> Plan:
    """Return the plan of these settings on this machine.

    Raises:
        CapacityError: not even one connection is left for the pool of each worker.
    """
    return make_plan(
        workers=settings.web_concurrency or available_cpus(),
        replicas=settings.replicas,
        max_connections=settings.database_max_connections,
        reserved_connections=settings.database_reserved_connections,
        pool_limit=settings.database_pool_limit,
        thread_tokens=settings.thread_tokens,
    )


def make_plan(  # noqa: PLR0913 - keyword-only inputs of one formula
    *, workers: int, replicas: int, max_connections: int, reserved_connections: int, pool_limit: int, thread_tokens: int
) -> Plan:
    """Divide the server's connections among all workers that may be alive at once.

    Raises:
        CapacityError: not even one connection is left for each worker.
    """
    processes = workers * replicas * SURGE
    pool_size = (max_connections - reserved_connections) // processes - PROBE
    if pool_size < 1:
        raise CapacityError(
            f"{workers} workers x {replicas} replicas x {SURGE} while rolling out = {processes} processes share "
            f"{max_connections} - {reserved_connections} database connections: less than two each, "
            "one for requests and one for the readiness probe. "
            "Lower WEB_CONCURRENCY or REPLICAS, or raise the server's max_connections and DATABASE_MAX_CONNECTIONS."
        )
    return Plan(workers, min(pool_size, pool_limit), thread_tokens, replicas, max_connections, reserved_connections)


def describe(plan: Plan) -> str:
    """Return the plan as a table: what, how much, from what."""
    rows = (
        ("workers", plan.workers, "WEB_CONCURRENCY, else the CPUs of this container"),
        ("pool per worker", plan.pool_size, "an equal share, at most DATABASE_POOL_LIMIT"),
        ("threads per worker", plan.thread_tokens, "THREAD_TOKENS"),
        (
            "peak connections",
            plan.peak_connections,
            f"workers x (pool + {PROBE}) x {plan.replicas} replicas x {SURGE} rolling out",
        ),
        ("reserve", plan.reserved_connections, "DATABASE_RESERVED_CONNECTIONS"),
        ("server's limit", plan.max_connections, "DATABASE_MAX_CONNECTIONS"),
    )
    return "\n".join(f"{name:<20}{value:>6}   {source}" for name, value, source in rows)


def main() -> None:
    """Print the plan of the current environment."""
    try:
        print(describe(plan_for(load_settings())))  # noqa: T201 - printing is what this command is for
    except CapacityError as error:
        raise SystemExit(f"No plan fits: {error}") from None


if __name__ == "__main__":
    main()

"""One arithmetic for every bound that depends on another. Pure: settings and CPUs in, numbers out.

    workers x (pool + overflow + 1) x (replicas + surge) + reserve <= the server's max_connections

The one beside the pool is the readiness probe's, which must not queue behind the requests that it judges. Behind
PgBouncer the workers share its client connections instead, and the server sees only what PgBouncer opens.

`gunicorn.conf.py` takes the workers from here and `lifespan.py` all the rest, so no two places can disagree.
`python -m app.capacity` prints the plan; see `report.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.server.cpus import available_cpus
from app.settings import Settings

PROBE = 1
"""The connection of a worker's readiness probe."""

WAITING_PER_PLACE = 20
"""At 5 ms a statement the last in a queue waits 0.1 s; far longer queues only serve clients that have given up."""

REQUESTS_PER_CONNECTION = 10
"""A request holds a connection for a small part of its time, and many hold none: those wait for other services."""

ADMISSION_WAIT_SECONDS = 0.25
"""Measured with 200 clients on a service for 100 requests/s: a queue this short beats both none and a longer one."""


class CapacityError(Exception):
    """The numbers cannot be brought together; the message says which and what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every bound of one worker, and what all workers of all copies hold together."""

    cpus: int
    """CPUs that this container may use."""
    workers: int
    """Processes of one copy; each has one event loop."""
    replicas: int
    """Copies, at most."""
    surge: int
    """Copies more while an update rolls out."""
    pool_size: int
    """Database connections that a worker keeps."""
    max_overflow: int
    """Database connections that a worker may open beyond them."""
    database_waiting: int
    """Callers that may queue for a connection; one more is refused at once."""
    database_wait_seconds: float
    """How long each of them waits before it is refused."""
    family_connections: int
    """Database connections of one route family; less than the pool, so that a stuck one leaves some to the others."""
    running: int
    """Requests of one route family at once."""
    families: Mapping[str, int]
    """The same by the family's name, which may have a bound of its own."""
    waiting: int
    """Requests of one route family that may queue to be admitted."""
    wait_seconds: float
    """How long each of them waits before it is refused."""

    thread_tokens: int
    """Threads of Starlette and anyio."""
    offload_threads: int
    """Threads for blocking calls that routes hand off."""
    background_tasks: int
    """Tasks that go on when their requests have been answered."""
    processes: int
    """Processes for CPU work, from the CPUs that the event loops leave."""
    downstreams: Mapping[str, int]
    """Calls in flight to each other service: its semaphore, and both limits of its HTTP pool."""

    max_connections: int
    """What the server accepts."""
    reserved_connections: int
    """What this service leaves to others."""
    pgbouncer_connections: int | None
    """What PgBouncer may open; None without PgBouncer."""
    pgbouncer_max_client_conn: int
    """What PgBouncer accepts; of no meaning without it."""

    @property
    def copies(self) -> int:
        """Copies while an update rolls out."""
        return self.replicas + self.surge

    @property
    def peak_connections(self) -> int:
        """Connections that all workers hold together, to the server or to PgBouncer."""
        return self.workers * (self.pool_size + self.max_overflow + PROBE) * self.copies

    @property
    def most_connections(self) -> int:
        """What that must not exceed."""
        if self.pgbouncer_connections is not None:
            return self.pgbouncer_max_client_conn
        return self.max_connections - self.reserved_connections

    @property
    def server_connections(self) -> int:
        """Connections that the server sees from this service."""
        return self.peak_connections if self.pgbouncer_connections is None else self.pgbouncer_connections


def plan_for(settings: Settings) -> Plan:
    """Return the plan of these settings in this container.

    Raises:
        CapacityError: not even one connection is left for the pool of each worker.
    """
    return make_plan(settings, cpus=available_cpus())


def make_plan(settings: Settings, *, cpus: int) -> Plan:
    """Divide the connections among all workers that may be alive at once, and derive the other bounds from that.

    Raises:
        CapacityError: not even one connection is left for the pool of each worker.
    """
    workers = settings.web_concurrency or cpus
    pool_size = _pool_size(settings, workers)
    connections = pool_size + settings.database_max_overflow
    running = REQUESTS_PER_CONNECTION * connections
    return Plan(
        cpus=cpus,
        workers=workers,
        replicas=settings.replicas,
        surge=extra_copies(settings),
        pool_size=pool_size,
        max_overflow=settings.database_max_overflow,
        database_waiting=WAITING_PER_PLACE * connections,
        database_wait_seconds=settings.database_pool_wait_seconds,
        family_connections=max(1, connections * 3 // 4),
        running=running,
        families={name: one.running or running for name, one in settings.families},
        waiting=2 * running,
        wait_seconds=ADMISSION_WAIT_SECONDS,
        thread_tokens=settings.thread_tokens,
        offload_threads=settings.offload_threads,
        background_tasks=settings.background_tasks,
        processes=max(1, cpus // workers - 1),
        downstreams={name: one.concurrency for name, one in settings.downstreams},
        max_connections=settings.database_max_connections,
        reserved_connections=settings.database_reserved_connections,
        pgbouncer_connections=settings.database_pgbouncer_connections,
        pgbouncer_max_client_conn=settings.database_pgbouncer_max_client_conn,
    )


def extra_copies(settings: Settings) -> int:
    """Return the copies that a rolling update adds; a share is rounded up, as Kubernetes does with maxSurge."""
    surge = settings.replicas_surge
    return -(-settings.replicas * int(surge[:-1]) // 100) if surge.endswith("%") else int(surge)


def _pool_size(settings: Settings, workers: int) -> int:
    """Return an equal share of the connections, bounded by what one worker can use."""
    connections = settings.database_max_connections - settings.database_reserved_connections
    if (pgbouncer := settings.database_pgbouncer_connections) is not None:
        if pgbouncer > connections:
            raise CapacityError(_pgbouncer_refusal(settings))
        connections = settings.database_pgbouncer_max_client_conn
    processes = workers * (settings.replicas + extra_copies(settings))
    share = connections // processes - PROBE - settings.database_max_overflow
    if share < 1:
        raise CapacityError(_refusal(settings, workers))
    # more than PgBouncer may open would wait inside it, for up to 120 s
    return min(share, settings.database_pool_limit, pgbouncer or share)


def _refusal(settings: Settings, workers: int) -> str:
    """Say which processes do not fit into what, and the ways out."""
    surge, overflow = extra_copies(settings), settings.database_max_overflow
    processes = workers * (settings.replicas + surge)
    need = f"{1 + overflow + PROBE} each (1 pool + {overflow} overflow + {PROBE} probe)"
    who = f"{workers} workers x ({settings.replicas} + {surge} rolling out) copies = {processes} processes need {need}"
    fewer = "Lower WEB_CONCURRENCY or REPLICAS" + (" or DATABASE_MAX_OVERFLOW" if overflow else "")
    if settings.database_pgbouncer_connections is not None:
        return (
            f"{who}, but PgBouncer accepts {settings.database_pgbouncer_max_client_conn} client connections. {fewer}, "
            "or raise PgBouncer's max_client_conn and DATABASE_PGBOUNCER_MAX_CLIENT_CONN with it."
        )
    return (
        f"{who}, but {settings.database_max_connections} - {settings.database_reserved_connections} database "
        f"connections are all there is. {fewer}, raise the server's max_connections and DATABASE_MAX_CONNECTIONS "
        "with it, or put PgBouncer in between and set DATABASE_PGBOUNCER_CONNECTIONS."
    )


def _pgbouncer_refusal(settings: Settings) -> str:
    return (
        f"PgBouncer may open {settings.database_pgbouncer_connections} connections, but the server has "
        f"{settings.database_max_connections} - {settings.database_reserved_connections} for it. Lower PgBouncer's "
        "default_pool_size and DATABASE_PGBOUNCER_CONNECTIONS with it, or raise the server's max_connections and "
        "DATABASE_MAX_CONNECTIONS."
    )

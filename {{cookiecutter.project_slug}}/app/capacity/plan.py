"""The capacity plan: computes all bounds that depend on the numbers of workers and connections, without I/O.

    workers x (pool + overflow + 1) x (replicas + surge) + reserve <= the server's max_connections

The 1 is the connection of the readiness probe, which must not queue behind requests. Behind PgBouncer the workers
share PgBouncer's client connections instead, and PostgreSQL sees only the connections of PgBouncer.

`gunicorn.conf.py` (workers, client connections) and `main.py` (all other bounds) use the same plan, so no two bounds
contradict each other. `python -m devtools.capacity` prints the plan.
"""

from collections.abc import Mapping

from app.capacity.clients import MIN_CLIENTS, client_connections
from app.capacity.clients import refusal as too_few_files
from app.capacity.refusals import too_large_a_pgbouncer, too_many_processes
from app.errors import CannotStart
from app.settings.capacity import CapacitySettings

PROBE = 1
"""The number of database connections of the readiness probe in each worker, outside of the pool of the requests."""

QUEUE_PER_CONNECTION = 20
"""The number of callers that may queue for each database connection. If a statement takes 5 ms, the last caller in the
queue waits 0.1 s; a longer queue would serve clients that have given up."""

REQUESTS_PER_CONNECTION = 10
"""The number of concurrent requests of a route group for each database connection: a request holds a connection for a
part of the time only, and otherwise computes or waits for a downstream."""

ADMISSION_TIMEOUT_SECONDS = 0.25
"""The longest wait of a request for admission to the bulkhead of the route group, in seconds. In a measurement with 200
clients on a service for 100 requests/s, no wait and longer waits gave worse results."""

MAX_BODIES_BYTES = 32 * 1024 * 1024
"""The memory, in bytes, that a worker uses for request bodies that are read before their requests enter a bulkhead. The
first 64 kB of each body do not count, so that a worker uses at most twice as much."""

MAX_BODIES = MAX_BODIES_BYTES // 65_536
"""The most request bodies that one worker receives at the same time: 512, whose first 64 kB take 32 MB together. When a
further body arrives, the request with the oldest body is refused."""


Bounds = Mapping[str, int | None]  # None: the capacity plan computes the bound


class CapacityError(CannotStart):
    """The capacity plan needs more connections or open files than there are; the message names settings to change."""


class Plan(CapacitySettings, frozen=True):
    """The capacity plan: the capacity settings, and all bounds that are computed from the settings."""

    cpus: int
    """The number of CPUs that this container may use."""
    workers: int
    """The number of worker processes of each replica; a worker process has one event loop."""
    surge: int
    """The number of replicas that a rolling update starts in addition."""
    pool_size: int
    """Database connections that the pool of one worker keeps open."""
    database_max_queue: int
    """Callers in one worker that may queue for a database connection; a further caller is refused at once."""
    connection_quota: int
    """Database connections that one route group, or background work, may hold at most."""
    reserved_for_quotas: int
    """Database connections kept free for any route group, or background work, that uses no connection now."""
    left_by_two_stuck_groups: int
    """Database connections left for all other work when two route groups hang and keep all connections of both quotas:
    the worst case that is planned for."""
    max_concurrent: int
    """The most concurrent requests of a route group in one worker, unless the settings of the group have a bound."""
    route_groups: Mapping[str, int]
    """The most concurrent requests of each route group in one worker, by the group's name."""
    max_queue: int
    """The most requests of one route group that may wait in one worker for admission to the bulkhead of the group."""
    queue_timeout_seconds: float
    """The longest wait of a request for admission to a bulkhead, in seconds."""
    max_bodies: int
    """The most request bodies that one worker receives at the same time."""
    max_bodies_bytes: int
    """The bytes of request bodies that one worker may hold in memory before the requests enter the bulkhead."""
    spare_cpus: int
    """The number of CPUs for each worker besides the CPU of the event loop, for processes that compute."""
    downstreams: Mapping[str, int]
    """The most concurrent calls from one worker to each downstream, by name: the bound of the semaphore and of the HTTP
    pool."""
    client_connections: int
    """The most open client connections of one worker; at this number, a new connection closes the longest idle
    connection."""

    @property
    def rolling_replicas(self) -> int:
        """The number of replicas that run at the same time during a rolling update."""
        return self.replicas + self.surge

    @property
    def peak_connections(self) -> int:
        """The most database connections of all workers during a rolling update, to PostgreSQL or to PgBouncer."""
        return self.workers * (self.pool_size + self.database_max_overflow + PROBE) * self.rolling_replicas

    @property
    def connection_limit(self) -> int:
        """The most database connections that all workers may hold together, to PostgreSQL or to PgBouncer."""
        if self.database_pgbouncer_connections is not None:
            return self.database_pgbouncer_max_client_conn
        return self.database_max_connections - self.database_reserved_connections

    @property
    def server_connections(self) -> int:
        """The most connections that PostgreSQL sees from all replicas of this service during a rolling update."""
        pgbouncer = self.database_pgbouncer_connections
        # {% if cookiecutter.jobs == "yes" %}
        if beside := self.jobs.connections(self.workers * self.rolling_replicas):
            return beside + (self.peak_connections if pgbouncer is None else pgbouncer)
        # {% endif %}
        return self.peak_connections if pgbouncer is None else pgbouncer


def make_plan(
    settings: CapacitySettings, *, cpus: int, open_files: int, route_groups: Bounds, downstreams: Mapping[str, int]
) -> Plan:
    """Divide the database connections among all workers that may run concurrently, and compute all other bounds.

    Args:
        settings: processes, replicas, connections and threads.
        cpus: the number of CPUs of the container.
        open_files: the files that a process may open.
        route_groups: concurrent requests of each route group, None for the computed number.
        downstreams: concurrent calls to each downstream.

    Raises:
        CapacityError: there are too few database connections for one connection in the pool of each worker, or too few
            open files.
    """
    pool_size = _pool_size(settings, workers := settings.web_concurrency or cpus)
    max_concurrent = REQUESTS_PER_CONNECTION * (connections := pool_size + settings.database_max_overflow)
    reserved = reserved_connections(connections, route_groups=len(route_groups))
    clients = _clients(open_files, connections + PROBE + sum(downstreams.values()))
    return Plan(
        **settings.model_dump(include=set(CapacitySettings.model_fields)) | {"open_files": open_files},
        cpus=cpus,
        workers=workers,
        surge=surge_replicas(settings),
        pool_size=pool_size,
        database_max_queue=QUEUE_PER_CONNECTION * connections,
        connection_quota=connections - reserved - (connections - reserved - 1) // 3,
        reserved_for_quotas=reserved,
        left_by_two_stuck_groups=max(0, reserved - 1),
        max_concurrent=max_concurrent,
        route_groups={name: bound or max_concurrent for name, bound in route_groups.items()},
        max_queue=2 * max_concurrent,
        queue_timeout_seconds=ADMISSION_TIMEOUT_SECONDS,
        max_bodies=min(MAX_BODIES, max(1, clients // 2)),  # at most half of the clients send bodies at a time
        max_bodies_bytes=MAX_BODIES_BYTES,
        spare_cpus=max(0, cpus // workers - 1),
        downstreams=downstreams,
        client_connections=clients,
    )


def reserved_connections(connections: int, *, route_groups: int) -> int:
    """Return how many connections of a pool are reserved for route groups that use no connection at the moment.

    Each unused quota of a route group reserves one connection, and all unused quotas together at most half of the pool:
    otherwise, with many route groups, hardly any connection would be left for a busy group. In a pool of 3 connections
    or more, two stuck groups leave at least one to a third group; a pool of 1 or 2 connections cannot be divided.
    """
    return min(route_groups, max(connections // 2, min(2, connections - 1)))


def surge_replicas(settings: CapacitySettings) -> int:
    """Return how many replicas a rolling update adds; a percentage is rounded up, as Kubernetes does with maxSurge."""
    surge = settings.replicas_surge
    return -(-settings.replicas * int(surge[:-1]) // 100) if surge.endswith("%") else int(surge)


def _pool_size(settings: CapacitySettings, workers: int) -> int:
    """Return the pool size of one worker: an equal part of all connections, at most DATABASE_POOL_LIMIT."""
    connections = settings.database_max_connections - settings.database_reserved_connections
    # {% if cookiecutter.jobs == "yes" %}
    connections -= settings.jobs.connections(workers * (settings.replicas + surge_replicas(settings)))
    # {% endif %}
    if (pgbouncer := settings.database_pgbouncer_connections) is not None:
        if pgbouncer > connections:
            raise CapacityError(too_large_a_pgbouncer(settings))
        connections = settings.database_pgbouncer_max_client_conn
    processes = workers * (settings.replicas + surge_replicas(settings))
    equal_part = connections // processes - PROBE - settings.database_max_overflow
    if equal_part < 1:
        surge = surge_replicas(settings)
        raise CapacityError(too_many_processes(settings, workers=workers, surge=surge, probe=PROBE))
    # With more connections than PgBouncer may open to PostgreSQL, callers would queue in PgBouncer for up to 120 s.
    return min(equal_part, settings.database_pool_limit, pgbouncer or equal_part)


def _clients(open_files: int, own_connections: int) -> int:
    if (clients := client_connections(open_files, own_connections)) < MIN_CLIENTS:
        raise CapacityError(too_few_files(open_files, own_connections))
    return clients

"""The capacity plan as a table with a formula for each number, and as JSON."""

import json

from app.capacity.clients import MAX_CLIENTS, OTHER_FILES
from app.capacity.plan import PROBE, QUEUE_PER_CONNECTION, REQUESTS_PER_CONNECTION, Plan
from app.server.protocol import HEAD_SECONDS, MAX_UNANSWERED

Row = tuple[str, float, str]


def describe(plan: Plan) -> str:
    """Return the capacity plan as a table of names, numbers and formulas."""
    sections = {
        "One replica": _replica_rows(plan),
        "Client connections of one worker": _client_rows(plan),
        "Database connections of one worker": _pool_rows(plan),
        "Requests of one route group in one worker": _route_group_rows(plan),
        "Calls of one worker to each downstream": _downstream_rows(plan),
        "All replicas together, while an update rolls out": _total_rows(plan),
    }
    lines = []
    for title, rows in sections.items():
        lines += [title] * bool(rows) + [f"  {name:<23}{value:>6}   {source}" for name, value, source in rows]
    return "\n".join(lines)


def as_json(plan: Plan) -> str:
    """Return the capacity plan as JSON: its fields, and the numbers calculated from them."""
    derived = {name: getattr(plan, name) for name in ("rolling_replicas", "peak_connections", "server_connections")}
    return json.dumps(plan.model_dump() | derived, indent=2)


def _replica_rows(plan: Plan) -> list[Row]:
    spare = f"{_count(plan.cpus, 'CPU')} // {_count(plan.workers, 'worker')} - 1 loop, at least 0"
    return [
        ("CPUs", plan.cpus, "what this container may use"),
        ("workers", plan.workers, "WEB_CONCURRENCY, else one per CPU"),
        ("threads per worker", plan.thread_tokens, "THREAD_TOKENS"),
        ("offload threads", plan.offload_threads, "OFFLOAD_THREADS, per worker"),
        ("background tasks", plan.background_tasks, "BACKGROUND_TASKS, per worker"),
        ("spare CPUs", plan.spare_cpus, spare),
    ]


def _client_rows(plan: Plan) -> list[Row]:
    source = f"{plan.open_files} open files - {OTHER_FILES} - the worker's own connections; at most {MAX_CLIENTS}"
    return [
        ("max connections", plan.client_connections, source),
        ("max unanswered", MAX_UNANSWERED, "requests of one connection"),
        ("head timeout (s)", HEAD_SECONDS, "from a new connection, or from a request's first byte"),
    ]


def _pool_rows(plan: Plan) -> list[Row]:
    limit, room = plan.connection_limit, f"{plan.database_max_connections} - {plan.database_reserved_connections}"
    # {% if cookiecutter.jobs == "yes" %}
    if beside := plan.server_connections - (plan.database_pgbouncer_connections or plan.peak_connections):
        limit, room = limit - beside, f"{room} - {beside} of jobs and streams"
    # {% endif %}
    equal_part = limit // (plan.workers * plan.rolling_replicas) - PROBE - plan.database_max_overflow
    if plan.database_pgbouncer_connections is not None:
        room = f"{plan.database_pgbouncer_max_client_conn} clients of PgBouncer"
    processes = f"{_count(plan.workers, 'worker')} x {_count(plan.rolling_replicas, 'replica')}"
    source = f"({room}) // ({processes}) - {PROBE} probe - {plan.database_max_overflow} overflow"
    if plan.pool_size < equal_part:
        smaller = plan.pool_size == plan.database_pgbouncer_connections
        source += f" = {equal_part}; at most {'the pool of PgBouncer' if smaller else 'DATABASE_POOL_LIMIT'}"
    return [
        ("pool", plan.pool_size, source),
        ("overflow", plan.database_max_overflow, "DATABASE_MAX_OVERFLOW"),
        ("max queue", plan.database_max_queue, f"{QUEUE_PER_CONNECTION} queued x {_connections(plan)}"),
        ("queue timeout (s)", plan.database_queue_timeout_seconds, "DATABASE_QUEUE_TIMEOUT_SECONDS, then 503"),
        *_quota_rows(plan),
    ]


def _quota_rows(plan: Plan) -> list[Row]:
    reserved = plan.reserved_for_quotas
    most = f"1 + 2/3 of ({_connections(plan)} - {reserved} - 1): the most that one of them holds"
    return [
        ("kept for idle groups", reserved, "1 for each other route group and for background work, at most half"),
        ("connection quota", plan.connection_quota, most),
        ("left by 2 stuck groups", plan.left_by_two_stuck_groups, f"{reserved} - 1, the minimum of the second group"),
    ]


def _route_group_rows(plan: Plan) -> list[Row]:
    own = {name: bound for name, bound in plan.route_groups.items() if bound != plan.max_concurrent}
    bodies = plan.max_bodies_bytes >> 20
    return [
        ("max concurrent", plan.max_concurrent, f"{REQUESTS_PER_CONNECTION} x {_connections(plan)}"),
        *((f"- {name}", bound, f"ROUTE_GROUPS__{name.upper()}__MAX_CONCURRENT") for name, bound in own.items()),
        ("max queue", plan.max_queue, f"2 x {plan.max_concurrent} concurrent"),
        ("queue timeout (s)", plan.queue_timeout_seconds, "then 503"),
        ("bodies on their way", plan.max_bodies, f"{bodies} MiB // 64 kB for all groups, at most half the connections"),
    ]


def _downstream_rows(plan: Plan) -> list[Row]:
    return [(name, calls, f"DOWNSTREAMS__{name.upper()}__MAX_CONCURRENT") for name, calls in plan.downstreams.items()]


def _total_rows(plan: Plan) -> list[Row]:
    each = f"({plan.pool_size} pool + {plan.database_max_overflow} overflow + {PROBE} probe)"
    source = f"{_count(plan.workers, 'worker')} x {each} x {_count(plan.rolling_replicas, 'replica')}"
    # {% if cookiecutter.jobs == "yes" %}
    if beside := plan.server_connections - (plan.database_pgbouncer_connections or plan.peak_connections):
        source += f" + {beside} of jobs and streams"
    # {% endif %}
    peak, limit = plan.peak_connections, plan.database_pgbouncer_max_client_conn
    fits = f"DATABASE_PGBOUNCER_MAX_CLIENT_CONN: {peak} fit into it"
    clients = [("PgBouncer's clients", peak, source), ("PgBouncer's limit", limit, fits)]
    direct = plan.database_pgbouncer_connections is None
    sum_ = f"{plan.server_connections} + {plan.database_reserved_connections} fit into it"
    return [
        ("replicas", plan.rolling_replicas, f"REPLICAS {plan.replicas} + {plan.surge} more (REPLICAS_SURGE)"),
        *([] if direct else clients),
        ("connections", plan.server_connections, source if direct else "DATABASE_PGBOUNCER_CONNECTIONS"),
        ("reserve", plan.database_reserved_connections, "DATABASE_RESERVED_CONNECTIONS"),
        ("server's limit", plan.database_max_connections, f"DATABASE_MAX_CONNECTIONS: {sum_}"),
    ]


def _connections(plan: Plan) -> str:
    return f"({plan.pool_size} pool + {plan.database_max_overflow} overflow)"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

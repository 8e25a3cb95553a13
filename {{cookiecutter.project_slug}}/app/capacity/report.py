"""The plan in words: each number with the formula that it comes from; for machines all of them as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from app.capacity.plan import PROBE, REQUESTS_PER_CONNECTION, WAITING_PER_PLACE, Plan

Row = tuple[str, float, str]


def describe(plan: Plan) -> str:
    """Return the plan as a table: what, how many, from what."""
    lines = []
    for title, rows in _sections(plan):
        lines += [title, *(f"  {name:<23}{value:>6}   {source}" for name, value, source in rows)]
    return "\n".join(lines)


def as_json(plan: Plan) -> str:
    """Return the plan with the names of its fields, and what follows from them."""
    derived = {name: getattr(plan, name) for name in ("copies", "peak_connections", "server_connections")}
    return json.dumps(asdict(plan) | derived, indent=2)


def _sections(plan: Plan) -> Iterator[tuple[str, list[Row]]]:
    yield "One copy", _copy_rows(plan)
    yield "Database connections of one worker", _pool_rows(plan)
    yield "Requests of one route family in one worker", _family_rows(plan)
    if plan.downstreams:
        yield "Calls of one worker to each other service", _downstream_rows(plan)
    yield "All copies together, in the middle of an update", _total_rows(plan)


def _copy_rows(plan: Plan) -> list[Row]:
    cpus = _count(plan.cpus, "CPU")
    return [
        ("CPUs", plan.cpus, "what this container may use"),
        ("workers", plan.workers, "WEB_CONCURRENCY, else one per CPU"),
        ("threads per worker", plan.thread_tokens, "THREAD_TOKENS"),
        ("threads to offload to", plan.offload_threads, "OFFLOAD_THREADS, per worker"),
        ("background tasks", plan.background_tasks, "BACKGROUND_TASKS, per worker"),
        ("processes per worker", plan.processes, f"{cpus} // {_count(plan.workers, 'worker')} - 1 loop, at least 1"),
    ]


def _pool_rows(plan: Plan) -> list[Row]:
    share = plan.most_connections // (plan.workers * plan.copies) - PROBE - plan.max_overflow
    source = f"({_room(plan)}) // ({_processes(plan)}) - {PROBE} probe - {plan.max_overflow} overflow"
    if plan.pool_size < share:
        smaller = plan.pool_size == plan.pgbouncer_connections
        source += f" = {share}; at most {'what PgBouncer opens' if smaller else 'DATABASE_POOL_LIMIT'}"
    places = _places(plan)
    return [
        ("pool", plan.pool_size, source),
        ("overflow", plan.max_overflow, "DATABASE_MAX_OVERFLOW"),
        ("waiting", plan.database_waiting, f"{WAITING_PER_PLACE} waiting x {places}"),
        ("seconds of waiting", plan.database_wait_seconds, "DATABASE_POOL_WAIT_SECONDS, then 503"),
    ]


def _family_rows(plan: Plan) -> list[Row]:
    own = {name: running for name, running in plan.families.items() if running != plan.running}
    return [
        ("running", plan.running, f"{REQUESTS_PER_CONNECTION} x {_places(plan)}"),
        *((f"running, {name}", running, f"FAMILIES__{name.upper()}__RUNNING") for name, running in own.items()),
        ("waiting", plan.waiting, f"2 x {plan.running} running"),
        ("seconds of waiting", plan.wait_seconds, "then 503"),
        ("held connections", plan.family_connections, f"{_places(plan)} x 3 // 4, at least 1"),
    ]


def _downstream_rows(plan: Plan) -> list[Row]:
    return [(name, calls, f"DOWNSTREAMS__{name.upper()}__CONCURRENCY") for name, calls in plan.downstreams.items()]


def _total_rows(plan: Plan) -> list[Row]:
    each = f"({plan.pool_size} pool + {plan.max_overflow} overflow + {PROBE} probe)"
    clients: list[Row] = []
    source = f"{_count(plan.workers, 'worker')} x {each} x {_count(plan.copies, 'copy', 'copies')}"
    if plan.pgbouncer_connections is not None:
        limit = "DATABASE_PGBOUNCER_MAX_CLIENT_CONN"
        clients = [
            ("PgBouncer's clients", plan.peak_connections, source),
            ("PgBouncer's limit", plan.pgbouncer_max_client_conn, f"{limit}: {plan.peak_connections} fit into it"),
        ]
        source = "DATABASE_PGBOUNCER_CONNECTIONS"
    sum_ = f"{plan.server_connections} + {plan.reserved_connections} fit into it"
    return [
        ("copies", plan.copies, f"REPLICAS {plan.replicas} + {plan.surge} more (REPLICAS_SURGE)"),
        *clients,
        ("connections", plan.server_connections, source),
        ("reserve", plan.reserved_connections, "DATABASE_RESERVED_CONNECTIONS"),
        ("server's limit", plan.max_connections, f"DATABASE_MAX_CONNECTIONS: {sum_}"),
    ]


def _places(plan: Plan) -> str:
    return f"({plan.pool_size} pool + {plan.max_overflow} overflow)"


def _room(plan: Plan) -> str:
    if plan.pgbouncer_connections is not None:
        return f"{plan.pgbouncer_max_client_conn} clients of PgBouncer"
    return f"{plan.max_connections} - {plan.reserved_connections}"


def _processes(plan: Plan) -> str:
    return f"{_count(plan.workers, 'worker')} x {_count(plan.copies, 'copy', 'copies')}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"

"""One arithmetic: what it grants never exceeds the server, and what cannot be is refused with the ways out."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.capacity.plan import PROBE, CapacityError, Plan, extra_copies, make_plan, plan_for
from app.server.cpus import available_cpus
from app.settings import Settings
from tests.databases import make_settings

URL = "postgresql://app:secret@127.0.0.1:1/none"
BASE = make_settings(URL)

# Bounds from what is small to what is large; about half of these deployments are possible.
CONNECTIONS = st.integers(1, 200) | st.integers(200, 50_000)
DEPLOYMENTS = st.fixed_dictionaries(
    {
        "web_concurrency": st.integers(1, 4) | st.integers(1, 64),
        "replicas": st.integers(1, 4) | st.integers(1, 100),
        "replicas_surge": st.integers(0, 200).map("{}%".format) | st.integers(0, 20).map(str),
        "database_max_connections": CONNECTIONS,
        "database_reserved_connections": st.integers(0, 30),
        "database_pool_limit": st.integers(1, 100),
        "database_max_overflow": st.integers(0, 5),
        "database_pgbouncer_connections": st.none() | st.integers(1, 100),
        "database_pgbouncer_max_client_conn": CONNECTIONS,
    }
)
properties = settings(deadline=None, max_examples=300)  # a time limit on a busy machine fails by chance


def make(**changes: Any) -> Settings:  # noqa: ANN401 - any setting may be changed
    return BASE.model_copy(update=changes)


def granted(deployment: Settings) -> Plan | None:
    try:
        return make_plan(deployment, cpus=4)
    except CapacityError:
        return None


def needed(deployment: Settings, pool_size: int) -> int:
    """Return the connections of all workers, by the formula as the documents write it."""
    workers, replicas = deployment.web_concurrency or 1, deployment.replicas
    return workers * (pool_size + deployment.database_max_overflow + 1) * (replicas + extra_copies(deployment))


def fits(deployment: Settings, pool_size: int) -> bool:
    free = deployment.database_max_connections - deployment.database_reserved_connections
    pgbouncer = deployment.database_pgbouncer_connections
    if pgbouncer is None:
        return needed(deployment, pool_size) <= free
    return pgbouncer <= free and needed(deployment, pool_size) <= deployment.database_pgbouncer_max_client_conn


@properties
@given(DEPLOYMENTS)
def test_what_is_granted_fits_and_what_is_refused_does_not(changes: dict[str, Any]) -> None:
    deployment = make(**changes)
    plan = granted(deployment)

    if plan is None:
        assert not fits(deployment, pool_size=1)
    else:
        assert fits(deployment, plan.pool_size)
        assert plan.peak_connections == needed(deployment, plan.pool_size) <= plan.most_connections
        assert plan.server_connections + plan.reserved_connections <= plan.max_connections


@properties
@given(DEPLOYMENTS)
def test_a_pool_is_the_largest_that_fits_and_is_of_use(changes: dict[str, Any]) -> None:
    deployment = make(**changes)
    plan = granted(deployment)

    if plan is not None:
        limits = {deployment.database_pool_limit, deployment.database_pgbouncer_connections}
        assert plan.pool_size in limits or not fits(deployment, plan.pool_size + 1)
        assert all(plan.pool_size <= limit for limit in limits if limit is not None)


@properties
@given(DEPLOYMENTS, st.integers(0, 50), st.integers(0, 16), st.integers(0, 1000))
def test_more_copies_or_workers_never_get_larger_pools_and_a_larger_server_never_smaller_ones(
    changes: dict[str, Any], copies: int, workers: int, connections: int
) -> None:
    now = make(**changes)
    larger = make(**changes | {"database_max_connections": now.database_max_connections + connections})
    fuller = make(
        **changes | {"replicas": now.replicas + copies, "web_concurrency": (now.web_concurrency or 1) + workers}
    )

    sizes = [plan.pool_size if plan else 0 for plan in (granted(fuller), granted(now), granted(larger))]
    assert sizes == sorted(sizes)


@properties
@given(DEPLOYMENTS, st.integers(1, 256))
def test_every_bound_is_a_bound(changes: dict[str, Any], cpus: int) -> None:
    """Each number is at least 1, a stuck family leaves a connection to others, and a worker has its share of CPUs."""
    try:
        plan = make_plan(make(**changes), cpus=cpus)
    except CapacityError:
        return

    connections = plan.pool_size + plan.max_overflow
    assert plan.family_connections in ({1} if connections == 1 else range(1, connections))
    assert plan.family_connections <= plan.running <= plan.waiting
    assert plan.database_waiting == 20 * (plan.pool_size + plan.max_overflow)
    assert plan.processes >= 1
    assert plan.processes == 1 or plan.workers * (1 + plan.processes) <= cpus
    assert plan.copies >= plan.replicas


def test_the_pool_is_an_equal_share() -> None:
    plan = make_plan(make(web_concurrency=4), cpus=4)

    assert plan.pool_size == (100 - 10) // (4 * 2) - PROBE == 10


@pytest.mark.parametrize(
    ("surge", "replicas", "more"),
    [("100%", 6, 6), ("25%", 6, 2), ("25%", 4, 1), ("0%", 9, 0), ("0", 9, 0), ("3", 1, 3), ("10%", 1, 1)],
)
def test_a_surge_is_what_kubernetes_makes_of_max_surge(surge: str, replicas: int, more: int) -> None:
    assert extra_copies(make(replicas_surge=surge, replicas=replicas)) == more


@pytest.mark.parametrize(
    ("changes", "start", "ways_out"),
    [
        (
            {"web_concurrency": 8, "replicas": 6},
            "8 workers x (6 + 6 rolling out) copies = 96 processes need 2 each (1 pool + 0 overflow + 1 probe), but 10",
            {"WEB_CONCURRENCY", "REPLICAS", "DATABASE_MAX_CONNECTIONS", "DATABASE_PGBOUNCER_CONNECTIONS"},
        ),
        (
            {"web_concurrency": 9, "database_max_overflow": 4},
            "9 workers x (1 + 1 rolling out) copies = 18 processes need 6 each (1 pool + 4 overflow + 1 probe), ",
            {
                *("WEB_CONCURRENCY", "REPLICAS", "DATABASE_MAX_OVERFLOW"),
                *("DATABASE_MAX_CONNECTIONS", "DATABASE_PGBOUNCER_CONNECTIONS"),
            },
        ),
        (
            {"replicas": 50, "database_pgbouncer_connections": 20},
            "2 workers x (50 + 50 rolling out) copies = 200 processes need 2 each ",
            {"WEB_CONCURRENCY", "REPLICAS", "DATABASE_PGBOUNCER_MAX_CLIENT_CONN"},
        ),
        (
            {"database_pgbouncer_connections": 91},
            "PgBouncer may open 91 connections, but the server has 100 - 10 for it. ",
            {"DATABASE_PGBOUNCER_CONNECTIONS", "DATABASE_MAX_CONNECTIONS"},
        ),
    ],
)
def test_a_refusal_has_the_numbers_and_the_ways_out(changes: dict[str, Any], start: str, ways_out: set[str]) -> None:
    with pytest.raises(CapacityError) as refusal:
        make_plan(make(**changes), cpus=8)

    assert str(refusal.value).startswith(start)
    assert set(re.findall(r"[A-Z_]{8,}", str(refusal.value))) == ways_out


def test_web_concurrency_wins_over_the_cpus() -> None:
    assert make_plan(make(web_concurrency=3), cpus=8).workers == 3


def test_the_cpus_decide_without_web_concurrency() -> None:
    plan = plan_for(make(web_concurrency=None, database_max_connections=10_000))

    assert (plan.workers, plan.cpus) == (available_cpus(), available_cpus())


@pytest.mark.parametrize(("workers", "processes"), [(1, 7), (2, 3), (3, 1), (4, 1), (8, 1), (16, 1)])
def test_processes_get_the_cpus_that_the_event_loops_leave(workers: int, processes: int) -> None:
    assert make_plan(make(web_concurrency=workers, database_max_connections=500), cpus=8).processes == processes

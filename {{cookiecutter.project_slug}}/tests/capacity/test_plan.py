"""The capacity plan never exceeds PostgreSQL's connections; a deployment that cannot fit is refused, with advice."""

import re
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.capacity.cpus import available_cpus
from app.capacity.from_settings import plan_for
from app.capacity.plan import PROBE, CapacityError, Plan, surge_replicas
from app.settings.service import Settings
from tests.databases import make_settings

URL = "postgresql://app:secret@127.0.0.1:1/none"
BASE = make_settings(URL, jobs={"workers": 0})  # expected sums of connections count web processes, not job workers

# Random deployments are small or large, so that about half of them fit into the connections of PostgreSQL.
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
properties = settings(deadline=None, max_examples=300)  # a time limit would fail tests by chance on a busy machine


def make(**changes: Any) -> Settings:  # noqa: ANN401 - Any, as settings have several types
    return BASE.model_copy(update=changes)


def granted(deployment: Settings) -> Plan | None:
    try:
        return plan_for(deployment, cpus=4)
    except CapacityError:
        return None


def needed(deployment: Settings, pool_size: int) -> int:
    """Return the database connections of all workers together, by the formula of the project's README."""
    workers, replicas = deployment.web_concurrency or 1, deployment.replicas
    return workers * (pool_size + deployment.database_max_overflow + 1) * (replicas + surge_replicas(deployment))


def fits(deployment: Settings, pool_size: int) -> bool:
    free = deployment.database_max_connections - deployment.database_reserved_connections
    pgbouncer = deployment.database_pgbouncer_connections
    if pgbouncer is None:
        return needed(deployment, pool_size) <= free
    return pgbouncer <= free and needed(deployment, pool_size) <= deployment.database_pgbouncer_max_client_conn


@properties
@given(DEPLOYMENTS)
def test_a_granted_plan_fits_the_server_and_a_refused_plan_does_not(changes: dict[str, Any]) -> None:
    deployment = make(**changes)
    plan = granted(deployment)

    if plan is None:
        assert not fits(deployment, pool_size=1)
    else:
        assert fits(deployment, plan.pool_size)
        assert plan.peak_connections == needed(deployment, plan.pool_size) <= plan.connection_limit
        assert plan.server_connections + plan.database_reserved_connections <= plan.database_max_connections


@properties
@given(DEPLOYMENTS)
def test_a_pool_is_the_largest_that_fits_within_its_limits(changes: dict[str, Any]) -> None:
    deployment = make(**changes)
    plan = granted(deployment)

    if plan is not None:
        limits = {deployment.database_pool_limit, deployment.database_pgbouncer_connections}
        assert plan.pool_size in limits or not fits(deployment, plan.pool_size + 1)
        assert all(plan.pool_size <= limit for limit in limits if limit is not None)


@properties
@given(DEPLOYMENTS, st.integers(0, 50), st.integers(0, 16), st.integers(0, 1000))
def test_replicas_and_workers_never_enlarge_a_pool_and_a_larger_server_never_shrinks_a_pool(
    changes: dict[str, Any], rolling_replicas: int, workers: int, connections: int
) -> None:
    now = make(**changes)
    larger = make(**changes | {"database_max_connections": now.database_max_connections + connections})
    fuller = make(
        **changes
        | {"replicas": now.replicas + rolling_replicas, "web_concurrency": (now.web_concurrency or 1) + workers}
    )

    sizes = [plan.pool_size if plan else 0 for plan in (granted(fuller), granted(now), granted(larger))]
    assert sizes == sorted(sizes)


@properties
@given(DEPLOYMENTS, st.integers(1, 256))
def test_the_bounds_of_a_plan_agree_with_each_other(changes: dict[str, Any], cpus: int) -> None:
    """Two route groups with hanging requests leave a connection to a third group; all processes fit into the CPUs."""
    try:
        plan = plan_for(make(**changes), cpus=cpus)
    except CapacityError:
        return

    connections = plan.pool_size + plan.database_max_overflow
    others = len(plan.route_groups)  # the quotas besides a group's own: of other route groups and background work
    assert plan.connection_quota in ({1} if connections == 1 else range(1, connections))
    assert plan.reserved_for_quotas in {others, connections // 2, min(2, connections - 1)}
    assert plan.connection_quota == 1 + ceil(2 * (connections - plan.reserved_for_quotas - 1) / 3)
    assert plan.left_by_two_stuck_groups == max(0, plan.reserved_for_quotas - 1)
    assert plan.left_by_two_stuck_groups >= (connections > 2 and others > 1)
    assert plan.connection_quota <= plan.max_concurrent <= plan.max_queue
    assert plan.database_max_queue == 20 * (plan.pool_size + plan.database_max_overflow)
    assert plan.spare_cpus >= 0
    assert plan.spare_cpus == 0 or plan.workers * (1 + plan.spare_cpus) <= cpus
    assert plan.rolling_replicas >= plan.replicas


def test_every_process_gets_an_equal_part_of_the_connections() -> None:
    plan = plan_for(make(web_concurrency=4), cpus=4)

    assert plan.pool_size == (100 - 10) // (4 * 2) - PROBE == 10


@pytest.mark.parametrize(
    ("surge", "replicas", "more"),
    [("100%", 6, 6), ("25%", 6, 2), ("25%", 4, 1), ("0%", 9, 0), ("0", 9, 0), ("3", 1, 3), ("10%", 1, 1)],
)
def test_a_surge_is_what_kubernetes_makes_of_max_surge(surge: str, replicas: int, more: int) -> None:
    assert surge_replicas(make(replicas_surge=surge, replicas=replicas)) == more


@pytest.mark.parametrize(
    ("changes", "start", "fixes"),
    [
        (
            {"web_concurrency": 8, "replicas": 6},
            "8 workers x (6 + 6 rolling out) replicas = 96 processes need 2 each (1 pool + 0 overflow + 1 probe), but",
            {"WEB_CONCURRENCY", "REPLICAS", "DATABASE_MAX_CONNECTIONS", "DATABASE_PGBOUNCER_CONNECTIONS"},
        ),
        (
            {"web_concurrency": 9, "database_max_overflow": 4},
            "9 workers x (1 + 1 rolling out) replicas = 18 processes need 6 each (1 pool + 4 overflow + 1 probe), ",
            {
                *("WEB_CONCURRENCY", "REPLICAS", "DATABASE_MAX_OVERFLOW"),
                *("DATABASE_MAX_CONNECTIONS", "DATABASE_PGBOUNCER_CONNECTIONS"),
            },
        ),
        (
            {"replicas": 50, "database_pgbouncer_connections": 20},
            "2 workers x (50 + 50 rolling out) replicas = 200 processes need 2 each ",
            {"WEB_CONCURRENCY", "REPLICAS", "DATABASE_PGBOUNCER_MAX_CLIENT_CONN"},
        ),
        (
            {"database_pgbouncer_connections": 91},
            "PgBouncer may open 91 connections, but the server has 100 - 10 for it. ",
            {"DATABASE_PGBOUNCER_CONNECTIONS", "DATABASE_MAX_CONNECTIONS"},
        ),
    ],
)
def test_a_refusal_has_the_numbers_and_the_fixes(changes: dict[str, Any], start: str, fixes: set[str]) -> None:
    with pytest.raises(CapacityError) as refusal:
        plan_for(make(**changes), cpus=8)

    assert str(refusal.value).startswith(start)
    assert set(re.findall(r"[A-Z_]{8,}", str(refusal.value))) == fixes


def test_web_concurrency_wins_over_the_cpus() -> None:
    assert plan_for(make(web_concurrency=3), cpus=8).workers == 3


def test_the_cpus_decide_without_web_concurrency() -> None:
    plan = plan_for(make(web_concurrency=None, database_max_connections=10_000))

    assert (plan.workers, plan.cpus) == (available_cpus(), available_cpus())


@pytest.mark.parametrize(("workers", "spare"), [(1, 7), (2, 3), (3, 1), (4, 1), (8, 0), (16, 0)])
def test_the_cpus_that_the_event_loops_leave_are_spare(workers: int, spare: int) -> None:
    assert plan_for(make(web_concurrency=workers, database_max_connections=500), cpus=8).spare_cpus == spare


def test_bodies_on_their_way_leave_half_of_the_connections_to_other_requests() -> None:
    plan = plan_for(make(open_files=300), cpus=2)

    assert 0 < plan.max_bodies <= plan.client_connections / 2

"""One arithmetic: what it grants never exceeds the server, and what cannot be is refused with a way out."""

import re
from pathlib import Path

import pytest

from app.capacity import SURGE, CapacityError, Plan, describe, make_plan, plan_for
from app.server.cpus import available_cpus, cgroup_quota
from tests.databases import make_settings

URL = "postgresql://app:secret@127.0.0.1:1/none"


def plan(*, workers: int, replicas: int = 1, max_connections: int = 100, reserved: int = 10, limit: int = 1000) -> Plan:
    return make_plan(
        workers=workers,
        replicas=replicas,
        max_connections=max_connections,
        reserved_connections=reserved,
        pool_limit=limit,
        thread_tokens=40,
    )


def test_all_copies_together_never_exceed_the_server() -> None:
    granted = 0
    for workers in range(1, 17):
        for replicas in range(1, 9):
            for max_connections in (20, 100, 500):
                try:
                    one = plan(workers=workers, replicas=replicas, max_connections=max_connections)
                except CapacityError:
                    assert workers * replicas * SURGE * 2 > max_connections - 10
                    continue
                granted += 1
                assert one.peak_connections + one.reserved_connections <= max_connections

    assert granted > 150


def test_the_pool_is_an_equal_share() -> None:
    assert plan(workers=4).pool_size == (100 - 10) // (4 * SURGE) - 1


def test_a_pool_is_not_larger_than_its_limit() -> None:
    assert plan(workers=1, limit=10).pool_size == 10


def test_a_plan_that_cannot_be_is_refused_with_the_numbers_and_the_ways_out() -> None:
    with pytest.raises(CapacityError) as refusal:
        plan(workers=8, replicas=6)

    assert str(refusal.value).startswith(
        "8 workers x 6 replicas x 2 while rolling out = 96 processes share 100 - 10 database connections"
    )
    named = set(re.findall(r"[A-Z_]{8,}", str(refusal.value)))
    assert named == {"WEB_CONCURRENCY", "REPLICAS", "DATABASE_MAX_CONNECTIONS"}


def test_web_concurrency_wins_over_the_cpus() -> None:
    assert plan_for(make_settings(URL, web_concurrency=3)).workers == 3


def test_the_cpus_decide_without_web_concurrency() -> None:
    assert plan_for(make_settings(URL)).workers == available_cpus()


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_the_container_is_read(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="ascii")

    assert cgroup_quota(tmp_path) == quota


def test_half_a_cpu_is_one_worker(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n", encoding="ascii")

    assert available_cpus(tmp_path) == 1


def test_the_table_shows_every_number() -> None:
    lines = describe(plan(workers=2, limit=10)).splitlines()

    assert [line.split("   ")[0].split() for line in (" ".join(line[:26].split()) for line in lines)] == [
        ["workers", "2"],
        ["pool", "per", "worker", "10"],
        ["threads", "per", "worker", "40"],
        ["peak", "connections", "44"],
        ["reserve", "10"],
        ["server's", "limit", "100"],
    ]

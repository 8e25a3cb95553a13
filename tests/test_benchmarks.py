"""Assertions of the benchmarks on any machine: SQL statements and ratios of CPU. Rates and times are for people."""

import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from benchmarks import cpu_ratios, http_clients, job_queues, layer_costs, offload_costs, sql_statements, startup_time
from benchmarks.build import BUILD, build
from benchmarks.cpu_ratios import CpuRatio
from benchmarks.documents import read_section
from benchmarks.goals import CPU_IN_PROCESS, STATEMENTS
from benchmarks.memory_growth import MemoryGrowth
from benchmarks.servers import Database, Server, database, serving
from benchmarks.variants import SERVICE, VARIANTS
from benchmarks.workloads import WORKLOADS

LOGS = BUILD / "logs"

TIMES = 5
"""A request may meet a worker whose caches are still empty. Counted again, a statement too many would stay."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Database]:
    """The database of a newly built service and of the baselines."""
    build(keep=False)
    with database(LOGS) as running:
        yield running


@pytest.fixture(scope="module")
def server(postgres: Database) -> Iterator[Server]:
    """The generated service, on a database that logs its statements."""
    (variant,) = (variant for variant in VARIANTS if variant.name == SERVICE)
    with serving(variant, postgres.urls["counted"], LOGS) as running:
        yield running


@pytest.fixture(scope="module")
def measured(postgres: Database) -> dict[str, CpuRatio]:
    """The CPU of each request as a ratio to a baseline's, by workload, all measured in one process."""
    return {
        found.bound.workload: found for found in cpu_ratios.measure(CPU_IN_PROCESS, postgres.urls["measured"], LOGS)
    }


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_request_sends_no_statement_more_than_its_work_needs(postgres: Database, server: Server, name: str) -> None:
    workload = next(workload for workload in WORKLOADS if workload.name == name)

    for _ in range(TIMES):
        found = sql_statements.count(server, workload, postgres.log)
        if len(found) == STATEMENTS[name]:
            break

    assert len(found) == STATEMENTS[name], found


@pytest.mark.parametrize("name", [bound.workload for bound in CPU_IN_PROCESS])
def test_a_request_takes_no_larger_share_of_cpu_than_it_may(measured: dict[str, CpuRatio], name: str) -> None:
    found = measured[name]

    assert found.ratio <= found.bound.at_most, found.sentence


def test_the_start_of_the_service_is_timed(postgres: Database) -> None:
    assert 0 < startup_time.start_once(postgres.urls["measured"]) < 60


def test_every_dear_layer_says_why_it_stays() -> None:
    """The share of a layer moves with each measurement; the document and the table of reasons must agree."""
    text = read_section(layer_costs.DOCUMENT, layer_costs.SECTION)
    dear = re.findall(r"^\| ([\w ]+) \| -?\d+ \| \*\*", text, re.MULTILINE)

    assert dear
    assert [layer for layer in dear if layer_costs.reason_item(layer) not in text] == []


@pytest.mark.parametrize("command", [layer_costs, http_clients, job_queues, offload_costs])
def test_a_command_finds_the_section_that_it_writes(command: ModuleType) -> None:
    assert read_section(command.DOCUMENT, command.SECTION).startswith("| ")


def test_memory_growth_is_the_slope_after_the_caches_are_full() -> None:
    filling, steady = [(10_000, 100.0), (20_000, 140.0)], [(100_000, 150.0), (200_000, 152.0), (300_000, 154.0)]

    growth = MemoryGrowth([*filling, *steady], settled_after=50_000)

    assert (growth.slope, growth.error) == pytest.approx((2.0, 0.0))
    assert growth.first(steady[1][0] - 1) == steady[1]

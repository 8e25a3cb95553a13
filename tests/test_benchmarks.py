"""Assertions on the benchmarks that hold on any machine: counts of SQL statements, and ratios of CPU time."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import httpx
import pytest

from benchmarks import (
    cpu_ratios,
    http_clients,
    job_queues,
    layer_costs,
    observed_costs,
    offload_costs,
    peer_table,
    sql_statements,
    startup_time,
)
from benchmarks.build import BUILD, build
from benchmarks.cpu_ratios import CpuRatio
from benchmarks.documents import read_section
from benchmarks.goals import ALLOCATIONS, CPU_IN_PROCESS, STATEMENTS
from benchmarks.memory_growth import MemoryGrowth
from benchmarks.peer_list import NO_DATABASE, Peer
from benchmarks.peers import NotRun, running
from benchmarks.servers import Database, Server, database, serving
from benchmarks.variants import SERVICE, VARIANTS
from benchmarks.workloads import WORKLOADS

LOGS = BUILD / "logs"

TIMES = 5
"""How often the statements of a request are counted.

A worker with empty caches may send more statements once, but not each time.
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Database]:
    """A PostgreSQL with the databases of a newly built service and the baselines."""
    build(keep=False)
    with database(LOGS) as running:
        yield running


@pytest.fixture(scope="module")
def server(postgres: Database) -> Iterator[Server]:
    """The generated service, running on a database that logs SQL statements."""
    (variant,) = (variant for variant in VARIANTS if variant.name == SERVICE)
    with serving(variant, postgres.urls["counted"], LOGS) as running:
        yield running


@pytest.fixture(scope="module")
def measured(postgres: Database) -> dict[str, CpuRatio]:
    """The CPU time of each request as a ratio to a baseline's, by workload, measured in a single process."""
    return {
        found.bound.workload: found for found in cpu_ratios.measure(CPU_IN_PROCESS, postgres.urls["measured"], LOGS)
    }


@pytest.fixture(scope="module")
def allocated(postgres: Database) -> dict[str, CpuRatio]:
    """The allocations of each request as a ratio to a baseline's; in a separate process, as counting is slow."""
    found = cpu_ratios.measure(ALLOCATIONS, postgres.urls["measured"], LOGS, rounds=2)
    return {ratio.bound.workload: ratio for ratio in found}


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


@pytest.mark.needs_program("cc", "apt-get install gcc")
@pytest.mark.parametrize("name", [bound.workload for bound in ALLOCATIONS])
def test_a_request_allocates_no_more_memory_than_it_may(allocated: dict[str, CpuRatio], name: str) -> None:
    found = allocated[name]

    assert found.ratio <= found.bound.at_most, found.sentence


def test_the_start_of_the_service_is_timed(postgres: Database) -> None:
    assert 0 < startup_time.start_once(postgres.urls["measured"]) < 60


def test_a_peer_is_served_by_its_own_command_beside_its_own_database(postgres: Database, tmp_path: Path) -> None:
    """A peer runs by the peer's own command, beside a separate database; here the peer is Python's file server.

    The served file contains the database URL that the peer was given.
    """
    make = ("sh -c 'printf %s {name}@{host}:{database_port} > live'",)
    serve = "python3 -m http.server --bind 127.0.0.1 {port}"
    peer = Peer("a-peer", "", "", make=make, serve=serve, paths={NO_DATABASE: "/live"})

    with running(peer, tmp_path, postgres.urls["measured"]) as program:
        answer = httpx.get(f"{program.url}/live", trust_env=False)

    server = urlsplit(postgres.urls["measured"])
    assert answer.text == f"a_peer@{server.hostname}:{server.port}"


@pytest.mark.parametrize(
    ("make", "serve", "reason"),
    [
        (("sh -c 'echo broken >&2; exit 1'",), "true", "sh -c: broken"),
        (("no-such-program",), "true", "no-such-program is not installed"),
        ((), "true", "it does not answer, see peer-a-peer.log"),
    ],
)
def test_a_peer_that_fails_is_a_reason(
    postgres: Database, tmp_path: Path, make: tuple[str, ...], serve: str, reason: str
) -> None:
    peer = Peer("a-peer", "", "", make=make, serve=serve, paths={NO_DATABASE: "/live"})

    with pytest.raises(NotRun, match=re.escape(reason)), running(peer, tmp_path, postgres.urls["measured"]):
        pass


def test_every_dear_layer_says_why_it_stays() -> None:
    """Each layer with a high cost in the document has the reason beside, the same as in the table of reasons.

    Nothing is measured here, as the measured shares of a layer vary.
    """
    text = read_section(layer_costs.DOCUMENT, layer_costs.SECTION)
    dear = re.findall(r"^\| ([\w ]+) \| -?\d+ \| \*\*", text, re.MULTILINE)

    assert dear
    assert [layer for layer in dear if layer_costs.reason_item(layer) not in text] == []


def test_each_observer_of_a_request_can_be_switched_off_and_measured(postgres: Database) -> None:
    text = observed_costs.measure(postgres.urls["measured"], rounds=1)

    assert re.findall(r"^\| (?:\+ )?([a-zS][^|]*?) \| +[-+]?\d", text, re.MULTILINE) == [
        *("logs only", "timings", "metrics", "Server-Timing", "traces, none recorded", "traces, all recorded")
    ]
    assert len(re.findall(r"reached|MISSED", text)) == 3


@pytest.mark.parametrize("command", [layer_costs, observed_costs, http_clients, job_queues, offload_costs, peer_table])
def test_a_command_finds_the_section_that_it_writes(command: ModuleType) -> None:
    assert read_section(command.DOCUMENT, command.SECTION).startswith("| ")


def test_memory_growth_is_the_slope_after_the_caches_are_full() -> None:
    filling, steady = [(10_000, 100.0), (20_000, 140.0)], [(100_000, 150.0), (200_000, 152.0), (300_000, 154.0)]

    growth = MemoryGrowth([*filling, *steady], settled_after=50_000)

    assert (growth.slope, growth.error) == pytest.approx((2.0, 0.0))
    assert growth.first(steady[1][0] - 1) == steady[1]

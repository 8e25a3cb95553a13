"""What the bench asserts everywhere: statements and shares of CPU. Rates and times are for people to read."""

import re
from collections.abc import Iterator

import pytest

from benchmarks import ladder, ratios, statements
from benchmarks.build import BUILD, build
from benchmarks.goals import CPU_IN_PROCESS, STATEMENTS
from benchmarks.growth import Growth
from benchmarks.ratios import Found
from benchmarks.reasons import REASONS
from benchmarks.servers import Database, Server, database, serving
from benchmarks.variants import OURS, VARIANTS
from benchmarks.workloads import WORKLOADS

LOGS = BUILD / "logs"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Database]:
    """The database that a newly built service and the programs beside it use."""
    build(keep=False)
    with database(LOGS) as running:
        yield running


@pytest.fixture(scope="module")
def ours(postgres: Database) -> Iterator[Server]:
    """Our service, on a database that logs its statements."""
    (variant,) = (variant for variant in VARIANTS if variant.name == OURS)
    with serving(variant, postgres.urls["counted"], LOGS) as server:
        yield server


@pytest.fixture(scope="module")
def shares(postgres: Database) -> dict[str, Found]:
    """The CPU of each request as a share of another program's, by workload, measured in one go."""
    return {found.bound.workload: found for found in ratios.measure(CPU_IN_PROCESS, postgres.urls["measured"], LOGS)}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_request_needs_no_statement_more_than_its_work(postgres: Database, ours: Server, name: str) -> None:
    workload = next(workload for workload in WORKLOADS if workload.name == name)

    found = statements.count(ours, workload, postgres.log)

    assert len(found) == STATEMENTS[name], found


@pytest.mark.parametrize("name", [bound.workload for bound in CPU_IN_PROCESS])
def test_a_request_takes_no_larger_share_of_cpu_than_it_may(shares: dict[str, Found], name: str) -> None:
    found = shares[name]

    assert found.ratio <= found.bound.at_most, found.sentence


def test_every_dear_layer_says_why_it_stays() -> None:
    """The share of a layer moves with each measurement; the document and the table of reasons must keep up."""
    text = ladder.DOCUMENT.read_text("utf-8")
    dear = re.findall(r"^\| ([\w ]+) \| -?\d+ \| \*\*", text, re.MULTILINE)

    assert dear
    assert [layer for layer in dear if layer not in REASONS or f"- **{layer}**: " not in text] == []


def test_growth_is_the_slope_after_the_caches_are_full() -> None:
    filling, steady = [(10_000, 100.0), (20_000, 140.0)], [(100_000, 150.0), (200_000, 152.0), (300_000, 154.0)]

    growth = Growth([*filling, *steady], settled_after=50_000)

    assert (growth.slope, growth.error) == pytest.approx((2.0, 0.0))
    assert growth.first(steady[1][0] - 1) == steady[1]

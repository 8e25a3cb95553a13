"""What the bench asserts everywhere: how many statements a request costs. Rates and times are for people to read."""

from collections.abc import Iterator

import pytest

from benchmarks import statements
from benchmarks.build import BUILD, build
from benchmarks.goals import STATEMENTS
from benchmarks.measure import Sitting
from benchmarks.servers import all_serving, database
from benchmarks.variants import OURS, VARIANTS
from benchmarks.workloads import WORKLOADS


@pytest.fixture(scope="module")
def sitting() -> Iterator[Sitting]:
    """Our service, on a database that logs its statements."""
    build(keep=False)
    logs = BUILD / "logs"
    ours = tuple(variant for variant in VARIANTS if variant.name == OURS)
    with database(logs) as postgres, all_serving(ours, postgres.urls["counted"], logs) as servers:
        yield Sitting(servers, postgres, rounds=1, seconds=1, repeats_left=0)


@pytest.mark.parametrize("name", ["read", "create", "order read", "order create"])
def test_a_request_needs_no_statement_more_than_its_work(sitting: Sitting, name: str) -> None:
    workload = next(workload for workload in WORKLOADS if workload.name == name)

    found = statements.count(sitting.servers[OURS], workload, sitting.database.log)

    assert len(found) == STATEMENTS[name], found

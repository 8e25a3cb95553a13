"""The plan in words, as JSON and as a chart: what is printed is what the arithmetic says."""

import ast
import json
import re
from dataclasses import fields, replace

from hypothesis import assume, given

from app.capacity.chart import LIMIT_COLUMN, chart, points, range_of
from app.capacity.plan import CapacityError, Plan, make_plan
from app.capacity.report import as_json, describe
from app.families import FamiliesSettings, Family
from tests.capacity.test_plan import DEPLOYMENTS, make, properties

CALCULATED = (
    *("processes per worker", "pool", "waiting", "running", "held connections"),
    *("connections", "PgBouncer's clients"),
)


def rows(table: str) -> list[tuple[str, str, str]]:
    """Return name, number and formula of each line that has them."""
    found = re.findall(r"^  (\S.*?) +([\d.]+)   (.+)$", table, re.MULTILINE)
    return [(name, number, formula) for name, number, formula in found]


def value_of(formula: str) -> int:
    """Calculate a formula as it is printed: the words are left out, `x` multiplies, what follows `=` is its result."""
    numbers = re.sub(r"[^\d+*/() -]", "", re.sub(r" x ", " * ", re.split(" =|, ", formula)[0])).strip()
    return int(eval(compile(ast.parse(numbers, mode="eval"), "formula", "eval")))  # noqa: S307 - digits and signs only


@properties
@given(DEPLOYMENTS)
def test_a_printed_formula_gives_the_number_before_it(changes: dict[str, object]) -> None:
    try:
        plan = make_plan(make(**changes), cpus=4)
    except CapacityError:
        assume(False)
    for name, number, formula in rows(describe(plan)):
        if name not in CALCULATED or formula.startswith("DATABASE_"):
            continue
        result = value_of(formula)
        if name == "pool" and " = " in formula:
            assert int(number) < result == int(formula.partition(" = ")[2].partition(";")[0])
        else:
            assert int(number) == max(1, result)


def test_the_table_shows_every_number() -> None:
    plan = replace(make_plan(make(), cpus=2), families={})

    shown = [number for _, number, _ in rows(describe(plan))]
    expected = [
        "2",
        "2",
        "40",
        "10",
        "100",
        "1",
        "10",
        "0",
        "200",
        "1.0",
        "100",
        "200",
        "0.25",
        "7",
        *map(str, plan.downstreams.values()),
    ]
    assert shown == [*expected, "2", "44", "10", "100"]


def test_a_family_with_a_bound_of_its_own_has_a_line_of_its_own() -> None:
    families = FamiliesSettings(others=Family(running=3))
    plan = make_plan(make(families=families), cpus=2)

    assert plan.families["others"] == 3
    assert ("running, others", "3", "FAMILIES__OTHERS__RUNNING") in rows(describe(plan))


def test_behind_pgbouncer_the_table_counts_its_clients_and_what_it_opens() -> None:
    changes = {"database_pgbouncer_connections": 40, "database_pgbouncer_max_client_conn": 500}
    table = describe(make_plan(make(replicas=5, **changes), cpus=2))

    numbers = {name: number for name, number, _ in rows(table)}
    assert (numbers["PgBouncer's clients"], numbers["PgBouncer's limit"], numbers["connections"]) == (
        "220",
        "500",
        "40",
    )


def test_the_json_has_every_field_by_its_name() -> None:
    plan = make_plan(make(), cpus=2)
    document = json.loads(as_json(plan))

    derived = {"copies": 2, "peak_connections": 44, "server_connections": 44}
    assert document == {field.name: getattr(plan, field.name) for field in fields(Plan)} | derived


def test_the_chart_shows_the_crossing() -> None:
    lines = chart(make(), cpus=2).splitlines()
    drawn = {int(line[1:8]): line for line in lines if re.match(r"[* ] +\d", line)}

    assert "the limit of 90" in lines[1]
    assert [number for number, line in drawn.items() if line.startswith("*")] == [1]
    bars = {number: line[16:][: LIMIT_COLUMN + 1] for number, line in drawn.items()}
    assert bars[1] == "#" * 20 + " " * 20 + "|"
    assert bars[3] == "#" * 37 + "..." + "|"
    assert drawn[12].endswith("refused")
    assert "#" not in drawn[12]


def test_the_points_are_those_of_the_plan() -> None:
    shown = points(make(), cpus=2, replicas=range_of(1))

    pools = [point.plan.pool_size if point.plan else None for point in shown]
    assert pools == [10, 10, 6, 4, 3, 2, 2, 1, 1, 1, 1, None]
    assert [point.unchanged for point in shown[:3]] == [44, 88, 132]

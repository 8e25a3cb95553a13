"""The table, the JSON and the chart of `python -m devtools.capacity` show the numbers of the capacity plan."""

import ast
import json
import re

from hypothesis import assume, given

from app.capacity.from_settings import plan_for
from app.capacity.plan import CapacityError, Plan
from app.settings.route_groups import RouteGroup, RouteGroupsSettings
from devtools.capacity.points import LIMIT_COLUMN, chart, points, range_of
from devtools.capacity.table import as_json, describe
from tests.capacity.test_plan import DEPLOYMENTS, make, properties

CALCULATED = (
    *("spare CPUs", "pool", "max queue", "max concurrent"),
    *("connections", "PgBouncer's clients"),
)


def rows(table: str) -> list[tuple[str, str, str]]:
    """Return name, number and formula of each line of the printed table that has both a number and a formula."""
    found = re.findall(r"^  (\S.*?) +([\d.]+)   (.+)$", table, re.MULTILINE)
    return [(name, number, formula) for name, number, formula in found]


def value_of(formula: str) -> int:
    """Calculate a formula of the printed table: words are skipped, `x` multiplies, the result after `=` is ignored."""
    numbers = re.sub(r"[^\d+*/() -]", "", re.sub(r" x ", " * ", re.split(" =|, ", formula)[0])).strip()
    return int(eval(compile(ast.parse(numbers, mode="eval"), "formula", "eval")))  # noqa: S307 - only digits and operators are left


@properties
@given(DEPLOYMENTS)
def test_a_printed_formula_gives_the_number_before_it(changes: dict[str, object]) -> None:
    try:
        plan = plan_for(make(**changes), cpus=4)
    except CapacityError:
        assume(False)
    for name, number, formula in rows(describe(plan)):
        if name not in CALCULATED or formula.startswith("DATABASE_"):
            continue
        result = value_of(formula)
        if name == "pool" and " = " in formula:
            assert int(number) < result == int(formula.partition(" = ")[2].partition(";")[0])
        else:
            assert int(number) == max(0 if name == "spare CPUs" else 1, result)


def test_the_table_shows_every_number() -> None:
    plan = plan_for(make(), cpus=2).model_copy(update={"route_groups": {}})

    shown = [number for _, number, _ in rows(describe(plan))]
    expected = [
        "2",
        "2",
        "40",
        "10",
        "100",
        "0",
        str(plan.client_connections),
        "16",
        "10.0",
        "10",
        "0",
        "200",
        "1.0",
        str(plan.reserved_for_quotas),
        str(plan.connection_quota),
        str(plan.left_by_two_stuck_groups),
        "100",
        "200",
        "0.25",
        "512",
        *map(str, plan.downstreams.values()),
    ]
    assert shown == [*expected, "2", "44", "10", "100"]


def test_a_route_group_with_a_bound_of_its_own_has_a_line_of_its_own() -> None:
    route_groups = RouteGroupsSettings(others=RouteGroup(max_concurrent=3))
    plan = plan_for(make(route_groups=route_groups), cpus=2)

    assert plan.route_groups["others"] == 3
    assert ("- others", "3", "ROUTE_GROUPS__OTHERS__MAX_CONCURRENT") in rows(describe(plan))


def test_the_table_of_a_plan_behind_pgbouncer_counts_its_clients_and_its_connections() -> None:
    changes = {"database_pgbouncer_connections": 40, "database_pgbouncer_max_client_conn": 500}
    table = describe(plan_for(make(replicas=5, **changes), cpus=2))

    numbers = {name: number for name, number, _ in rows(table)}
    assert (numbers["PgBouncer's clients"], numbers["PgBouncer's limit"], numbers["connections"]) == (
        "220",
        "500",
        "40",
    )


def test_the_json_has_every_field_by_its_name() -> None:
    plan = plan_for(make(), cpus=2)
    document = json.loads(as_json(plan))

    derived = {"rolling_replicas": 2, "peak_connections": 44, "server_connections": 44}
    derived |= plan.model_dump(include={"auth", "jobs", "streams"})  # fields of services with tokens, jobs or streams
    assert document == {name: getattr(plan, name) for name in Plan.model_fields} | derived


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


def test_the_points_of_the_chart_have_the_pool_sizes_of_the_plan() -> None:
    shown = points(make(), cpus=2, replicas=range_of(1))

    pools = [point.plan.pool_size if point.plan else None for point in shown]
    assert pools == [10, 10, 6, 4, 3, 2, 2, 1, 1, 1, 1, None]
    assert [point.unchanged for point in shown[:3]] == [44, 88, 132]

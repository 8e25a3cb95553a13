"""Connections over REPLICAS, with the limit drawn in: a crossing line is seen faster than a table."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.capacity.plan import PROBE, CapacityError, Plan, extra_copies, make_plan
from app.settings import Settings

ROWS = 12
LIMIT_COLUMN = 40
COLUMNS = 52
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class Point:
    """What so many copies take in the middle of an update."""

    replicas: int
    plan: Plan | None
    """The plan with REPLICAS set to that; None when it is refused."""
    unchanged: int
    """Connections when nobody tells REPLICAS, and the pools stay as they are."""


def points(settings: Settings, *, cpus: int, replicas: Iterable[int]) -> list[Point]:
    """Return what each of these numbers of copies takes, the first that is refused included: so are all that follow.

    Raises:
        CapacityError: the settings themselves are refused, so there is no pool that could stay as it is.
    """
    now = make_plan(settings, cpus=cpus)
    per_copy = now.workers * (now.pool_size + now.max_overflow + PROBE)
    found = []
    for number in replicas:
        changed = settings.model_copy(update={"replicas": number})
        found.append(Point(number, _granted(changed, cpus), per_copy * (number + extra_copies(changed))))
        if found[-1].plan is None:
            break
    return found


def _granted(settings: Settings, cpus: int) -> Plan | None:
    try:
        return make_plan(settings, cpus=cpus)
    except CapacityError:
        return None


def chart(settings: Settings, *, cpus: int) -> str:
    """Draw the plan with letters.

    Raises:
        CapacityError: the settings are refused.
    """
    now = make_plan(settings, cpus=cpus)
    what = "Connections" if now.pgbouncer_connections is None else "PgBouncer's client connections"
    stays = f"when REPLICAS stays {now.replicas} and so the pool {now.pool_size}"
    lines = [
        f"{what} in the middle of an update, over REPLICAS",
        f"  # as planned   . {stays}   | the limit of {now.most_connections}   * now",
        "",
        "REPLICAS  pool",
    ]
    shown = points(settings, cpus=cpus, replicas=_numbers(now.replicas))
    return "\n".join([*lines, *(_line(point, now) for point in shown)])


def range_of(now: int) -> range:
    """Return the numbers of copies to look at: up to four times those of now."""
    return range(1, max(ROWS, 4 * now) + 1)


def _numbers(now: int) -> list[int]:
    """Return the round ones of these numbers, and that of now."""
    last = range_of(now)[-1]
    step = next((step for step in STEPS if step * ROWS >= last), last // ROWS)
    return sorted({1, now, *range(step, last + 1, step)})


def _line(point: Point, now: Plan) -> str:
    planned = point.plan.peak_connections if point.plan else 0
    cells = [" "] * COLUMNS
    for letter, connections in ((".", point.unchanged), ("#", planned)):
        width = min(COLUMNS, round(connections * LIMIT_COLUMN / now.most_connections))
        cells[:width] = letter * width
    cells.insert(LIMIT_COLUMN, "|")
    pool = f"{point.plan.pool_size:>6}" if point.plan else "     -"
    mark = "*" if point.replicas == now.replicas else " "
    said = f"{planned:>5}" if point.plan else " refused"
    return f"{mark}{point.replicas:>7}{pool}  {''.join(cells)}{said}".rstrip()

"""The capacity chart as text: database connections by number of replicas, with a line for the server's limit."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.capacity.from_settings import plan_for
from app.capacity.plan import CapacityError, Plan, surge_replicas
from app.settings.service import Settings

ROWS = 12
LIMIT_COLUMN = 40
COLUMNS = 52
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the capacity chart: the database connections of a number of replicas during a rolling update."""

    replicas: int
    plan: Plan | None
    """The capacity plan for this number of replicas; None when no plan fits."""
    unchanged: int
    """The database connections of this number of replicas if each replica keeps its current pool size."""


def points(settings: Settings, *, cpus: int, replicas: Iterable[int]) -> list[Point]:
    """Return a chart point for each number of replicas, up to the first number that no capacity plan fits.

    Raises:
        CapacityError: no capacity plan fits the unchanged settings, so there is no current pool size.
    """
    now, found = plan_for(settings, cpus=cpus), list[Point]()
    for number in replicas:
        changed = settings.model_copy(update={"replicas": number})
        as_now = now.model_copy(update={"replicas": number, "surge": surge_replicas(changed)})
        found.append(Point(number, _granted(changed, cpus), connections_of(as_now)))
        if found[-1].plan is None:
            break
    return found


def connections_of(plan: Plan) -> int:
    """Return the connections that count against a plan's limit during a rolling update, those of job workers too.

    Behind PgBouncer, these are the connections to PgBouncer.
    """
    return plan.server_connections if plan.database_pgbouncer_connections is None else plan.peak_connections


def _granted(settings: Settings, cpus: int) -> Plan | None:
    try:
        return plan_for(settings, cpus=cpus)
    except CapacityError:
        return None


def chart(settings: Settings, *, cpus: int) -> str:
    """Draw the database connections by number of replicas as text lines, with the limit of connections.

    Raises:
        CapacityError: no plan fits these settings.
    """
    now = plan_for(settings, cpus=cpus)
    what = "Connections" if now.database_pgbouncer_connections is None else "PgBouncer's client connections"
    stays = f"when REPLICAS stays {now.replicas} and so the pool {now.pool_size}"
    lines = [
        f"{what} while an update rolls out, over REPLICAS",
        f"  # as planned   . {stays}   | the limit of {now.connection_limit}   * now",
        "",
        "REPLICAS  pool",
    ]
    shown = points(settings, cpus=cpus, replicas=_numbers(now.replicas))
    return "\n".join([*lines, *(_line(point, now) for point in shown)])


def range_of(now: int) -> range:
    """Return the replica counts that the capacity chart covers: 1 to four times the current count, or to 12 if more."""
    return range(1, max(ROWS, 4 * now) + 1)


def _numbers(now: int) -> list[int]:
    """Return the replica counts with a line in the text chart: 1, round numbers and the current count."""
    last = range_of(now)[-1]
    step = next((step for step in STEPS if step * ROWS >= last), last // ROWS)
    return sorted({1, now, *range(step, last + 1, step)})


def _line(point: Point, now: Plan) -> str:
    planned = connections_of(point.plan) if point.plan else 0
    cells = [" "] * COLUMNS
    for letter, connections in ((".", point.unchanged), ("#", planned)):
        width = min(COLUMNS, round(connections * LIMIT_COLUMN / now.connection_limit))
        cells[:width] = letter * width
    cells.insert(LIMIT_COLUMN, "|")
    pool = f"{point.plan.pool_size:>6}" if point.plan else "     -"
    mark = "*" if point.replicas == now.replicas else " "
    said = f"{planned:>5}" if point.plan else " refused"
    return f"{mark}{point.replicas:>7}{pool}  {''.join(cells)}{said}".rstrip()

"""The command of `make capacity-chart`: prints the capacity plan and a text chart, and writes both to an HTML page."""

import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from app.capacity.from_settings import plan_for
from app.capacity.plan import Plan
from app.settings.service import Settings
from devtools.capacity.__main__ import build_parser, inputs_of, report
from devtools.capacity.points import Point, chart, connections_of, points, range_of
from devtools.drawing.charts import Figure
from devtools.drawing.frames import Axis, Frame, axis_from_zero
from devtools.drawing.page import Section, document, figure_html, paragraph, table_html
from devtools.drawing.tables import Table
from devtools.postgres import STATE

SERIES = {
    "now": "text",
    "planned": "blue",
    "unchanged": "orange",
    "limit": "alert",
    "reserve": "silver",
    "server": "grey",
    "refused": "grey",
}
STYLE = ".reserve, .refused { fill-opacity: .3 } .unchanged, .server { stroke-dasharray: 5 3 }\n"

STEPS = 8
"""The largest number of ticks on the chart's axis of replicas."""


class Layer(NamedTuple):
    """A line or an area of the capacity chart, with its name for the legend."""

    series: str
    drawing: str
    name: str


def page(settings: Settings, cpus: int) -> str:
    """Return the HTML page: database connections by number of replicas, as chart and table, and the current plan.

    Raises:
        CapacityError: no plan fits these settings.
    """
    now = plan_for(settings, cpus=cpus)
    shown = points(settings, cpus=cpus, replicas=range_of(now.replicas))
    sections = [
        Section("Connections over REPLICAS", [figure_html(draw(shown, now)), *table_html(table(shown, now))]),
        Section("The plan of now", [f'<pre class="scroll" tabindex="0">{escape(report(settings, cpus))}</pre>']),
    ]
    lead = paragraph(f"All replicas, with {now.workers} workers each, while an update rolls out.")
    return document(f"Capacity of {settings.service_name}", [lead], sections, series=SERIES, style=STYLE)


def draw(shown: Sequence[Point], now: Plan) -> Figure:
    """Draw the database connections by number of replicas, and their limit; the title says how many replicas fit."""
    step = -(-(shown[-1].replicas + 1) // STEPS)
    across = Axis("REPLICAS", range(0, shown[-1].replicas + step + 1, step))
    what = "connections to" if now.database_pgbouncer_connections is None else "client connections of PgBouncer for"
    frame = Frame(across, axis_from_zero(f"{what} the database", 1.4 * now.connection_limit))
    layers = [*_areas(frame, shown, now), *_lines(frame, shown, now)]
    planned = {point.replicas: connections_of(point.plan) for point in shown if point.plan}
    most = f"Up to {max(planned)} replicas{' or more' if shown[-1].plan else ''} fit"
    title = f"{most} below the limit of {now.connection_limit}; now {now.replicas}, with {planned[now.replicas]}"
    legend = {layer.series: layer.name for layer in reversed(layers)}
    return frame.figure(title, [layer.drawing for layer in layers], legend, markers={"now": "diamond"})


def _areas(frame: Frame, shown: Sequence[Point], now: Plan) -> Iterator[Layer]:
    if now.database_pgbouncer_connections is None:
        reserve = frame.columns([(0, now.connection_limit, now.database_max_connections)], frame.right, "reserve")
        yield Layer(
            "reserve", reserve, f"{now.database_reserved_connections} of {now.database_max_connections} reserved"
        )
    if shown[-1].plan is None:
        first = shown[-1].replicas
        refused = frame.columns([(first - 0.5, 0, frame.top)], frame.right - first + 0.5, "refused")
        yield Layer("refused", refused, f"from {first} on no plan fits")


def _lines(frame: Frame, shown: Sequence[Point], now: Plan) -> Iterator[Layer]:
    planned = [(point.replicas, connections_of(point.plan)) for point in shown if point.plan]
    unchanged = [(point.replicas, point.unchanged) for point in shown if point.unchanged <= frame.top]
    lines = {"limit": (now.connection_limit, "limit"), "server": (now.database_pgbouncer_connections, "to the server")}
    for series, (height, name) in lines.items():
        if height is not None:
            yield Layer(series, frame.line([(0, height), (frame.right, height)], series), f"{name}: {height}")
    untold = f"REPLICAS stays {now.replicas}, the pool stays {now.pool_size}"
    yield Layer("unchanged", frame.line(unchanged, "unchanged"), untold)
    drawn = frame.line(planned, "planned") + frame.dots(planned, "planned")
    yield Layer("planned", drawn, "as planned: the pool shrinks")
    point = (now.replicas, connections_of(now))
    yield Layer("now", frame.dots([point], "now", "diamond"), f"now: {point[1]} connections, a pool of {now.pool_size}")


def table(shown: Sequence[Point], now: Plan) -> Table:
    """Return the points of the capacity chart as a table, with the pool size at each point."""
    rows = [
        (
            f"{point.replicas}{' (now)' if point.replicas == now.replicas else ''}",
            *((str(point.plan.pool_size), str(connections_of(point.plan))) if point.plan else ("-", "refused")),
            str(point.unchanged),
        )
        for point in shown
    ]
    return Table("The pool of each point", ("REPLICAS", "pool", "connections", "when REPLICAS stays"), rows)


def main(arguments: Sequence[str]) -> int:
    """Print the capacity plan and a text chart, and write the HTML page; with --json print the plan alone."""
    parser = build_parser("devtools.capacity.chart")
    parser.add_argument("--page", type=Path, default=STATE / "capacity" / "report.html", help="the page to write")
    options = parser.parse_args(arguments)
    settings, cpus = inputs_of(options.what_if)
    sys.stdout.write(report(settings, cpus, as_text=not options.json))
    if not options.json:
        _write(options.page, page(settings, cpus))
        sys.stdout.write(f"\n{chart(settings, cpus=cpus)}\n\nthe same as a page: {options.page.resolve().as_uri()}\n")
    return 0


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    except OSError as error:
        raise SystemExit(f"{file} cannot be written: {error.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

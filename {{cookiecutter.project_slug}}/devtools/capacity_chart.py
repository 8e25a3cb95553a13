"""`python -m app.capacity` and its chart as a picture: `--svg FILE`, `--png FILE`. What `make capacity` runs.

A picture needs matplotlib, which is not in the image.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from app.capacity.__main__ import build_parser, inputs_of, report
from app.capacity.chart import Point, points, range_of
from app.capacity.plan import Plan, make_plan
from app.settings import Settings

PLANNED, UNTOLD, LIMIT = "tab:blue", "tab:orange", "tab:red"


def draw(settings: Settings, cpus: int) -> Figure:
    """Draw connections over REPLICAS, with the limit.

    Raises:
        CapacityError: the settings are refused.
    """
    now = make_plan(settings, cpus=cpus)
    shown = points(settings, cpus=cpus, replicas=range_of(now.replicas))
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot(
        title=f"{settings.service_name}: all copies in the middle of an update",
        xlabel=f"REPLICAS, with {now.workers} workers each",
        ylabel="database connections" if now.pgbouncer_connections is None else "PgBouncer's client connections",
    )
    _draw_limit(axes, now)
    _draw_lines(axes, shown, now)
    axes.set_xlim(0, shown[-1].replicas + 0.5)
    axes.set_ylim(0, 1.5 * now.most_connections)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right", fontsize="small")
    return figure


def _draw_limit(axes: Axes, now: Plan) -> None:
    if now.pgbouncer_connections is None:
        label = f"limit: {now.max_connections} - {now.reserved_connections} reserved = {now.most_connections}"
        axes.axhspan(now.most_connections, now.max_connections, color=LIMIT, alpha=0.15, label="reserve")
    else:
        label = f"limit: {now.most_connections} (max_client_conn)"
        axes.axhline(
            now.pgbouncer_connections, color="gray", linestyle=":", label=f"to the server: {now.pgbouncer_connections}"
        )
    axes.axhline(now.most_connections, color=LIMIT, label=label)


def _draw_lines(axes: Axes, shown: list[Point], now: Plan) -> None:
    granted = [(point.replicas, point.plan.peak_connections) for point in shown if point.plan]
    copies = [point.replicas for point in shown]
    untold = f"REPLICAS stays {now.replicas}: the pool stays {now.pool_size}"
    axes.plot(copies, [point.unchanged for point in shown], color=UNTOLD, linestyle="--", label=untold)
    axes.plot(*zip(*granted, strict=True), color=PLANNED, marker=".", label="as planned: the pool shrinks")
    said = f"now: {now.peak_connections} connections, pool {now.pool_size}"
    axes.plot(now.replicas, now.peak_connections, "o", color=PLANNED, markersize=9, label=said)
    if shown[-1].plan is None:
        first = shown[-1].replicas
        axes.axvspan(first - 0.5, first + 0.5, color="gray", alpha=0.15, label=f"from {first} on no plan fits")


def main(arguments: Sequence[str]) -> int:
    """Print the plan, and write the picture when a file is named."""
    parser = build_parser("devtools.capacity_chart")
    for suffix in ("svg", "png"):
        parser.add_argument(f"--{suffix}", type=Path, metavar="FILE", help=f"also write the chart as {suffix.upper()}")
    options = parser.parse_args(arguments)
    settings, cpus = inputs_of(options.what_if)
    sys.stdout.write(report(settings, cpus, as_text=not options.json))
    for suffix in ("svg", "png"):
        if file := getattr(options, suffix):
            _write(draw(settings, cpus), file, suffix)
    return 0


def _write(figure: Figure, file: Path, suffix: str) -> None:
    try:
        figure.savefig(file, format=suffix, dpi=150)
    except OSError as error:
        raise SystemExit(f"{file} cannot be written: {error.strerror}.") from None
    print(f"written: {file}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The report of a load test as an HTML page: the table, and charts of the outcomes and latencies.

locust's own report lacks the latency distribution of each route, and the late starts.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from html import escape

from devtools.drawing.charts import Figure, Points
from devtools.drawing.frames import Axis, Frame, axis_from_zero, axis_of_decades
from devtools.drawing.outcomes import OUTCOMES, SERIES, outcome_of
from devtools.drawing.page import Section, document, figure_html, machine, paragraph, table_html
from devtools.drawing.tables import Table
from devtools.drawing.titles import highest, last, title_of_points
from devtools.load.report import FRACTIONS, OK, Record, by_route, latencies, quantile, started

STEPS = 200
"""The most points of a drawn latency distribution: more points than the page has pixels only enlarge the file."""

LEAST_MS = 0.1
COLOURS = ("blue", "orange", "green", "violet", "gold", "grey", "alert", "text")
QUANTILES = {f"quantile-{100 * fraction:g}": f"p{100 * fraction:g}" for fraction in FRACTIONS}
"""The label of each drawn quantile, by CSS class."""


def page(url: str, records: Sequence[Record], table: list[list[str]], notes: list[str]) -> str:
    """Return the HTML report of the load test of `url`."""
    sent = started(records)
    routes = {f"route-{place}": route for place, route in enumerate(by_route(sent))}
    lead = [paragraph(f"Sent to {url}, from: {machine()}"), "<ul>", *(f"<li>{escape(note)}</li>" for note in notes)]
    sections = [
        Section("Numbers", list(table_html(Table("Routes", table[0], table[1:])))),
        Section("Outcomes over time", [figure_html(outcomes(sent))]),
        Section("Latency over time", [figure_html(latency(sent))]),
        Section("Latency of each route", [figure_html(distribution(sent, routes))]),
    ]
    series = SERIES | {
        name: COLOURS[place % len(COLOURS)] for group in (QUANTILES, routes) for place, name in enumerate(group)
    }
    return document("Load test", [*lead, "</ul>"], sections, series=series)


def ended_in(records: Sequence[Record]) -> dict[int, list[Record]]:
    """Return the records grouped by the second in which the request ended, in order."""
    seconds: defaultdict[int, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.at + record.ms / 1000):
        seconds[int(record.at + record.ms / 1000)].append(record)
    return dict(seconds)


def status(record: Record) -> str:
    """Return the status of a request, or the reason why it has no status."""
    return "200" if record.kind == OK else record.kind.removeprefix("HTTP ")


def outcomes(records: Sequence[Record]) -> Figure:
    """Draw a column for each second: the requests that ended in this second, divided by outcome."""
    seconds = ended_in(records)
    counts = {
        second: Counter(outcome_of(status(record)).series for record in group) for second, group in seconds.items()
    }
    columns: dict[str, list[tuple[float, float, float]]] = {outcome.series: [] for outcome in OUTCOMES}
    for second, count in counts.items():
        low = 0
        for series in [series for series in columns if count[series]]:
            columns[series].append((second, low, low + count[series]))
            low += count[series]
    shown = {outcome.series: outcome.name for outcome in OUTCOMES if columns[outcome.series]}
    frame = Frame(
        axis_from_zero("seconds", max(seconds) + 1), axis_from_zero("requests", max(map(len, seconds.values())))
    )
    drawn = [frame.columns(columns[series], 1, series) for series in shown]
    totals = ", ".join(f"{sum(high - low for _, low, high in columns[key]):,} x {name}" for key, name in shown.items())
    return frame.figure(f"Requests that ended in each second: {totals}", drawn, shown)


def latency(records: Sequence[Record]) -> Figure:
    """Draw quantiles of the latencies of the successful requests over time."""
    good = {second: found for second, group in ended_in(records).items() if (found := latencies(group))}
    lines = {
        name: [(second, quantile(found, fraction)) for second, found in good.items()]
        for name, fraction in zip(QUANTILES, FRACTIONS, strict=True)
    }
    subject = "Latency of successful requests, in the worst second"
    title = title_of_points(subject, lines, QUANTILES, highest, lambda value: f"{value:,.0f} ms")
    most = max((value for points in lines.values() for _, value in points), default=1)
    frame = Frame(axis_from_zero("seconds", max(good, default=1)), axis_from_zero("milliseconds", most))
    drawn = [frame.line(points, name) + frame.dots(points, name) for name, points in lines.items() if points]
    return frame.figure(title, drawn, QUANTILES)


def distribution(records: Sequence[Record], routes: Mapping[str, str]) -> Figure:
    """Draw for each route the fraction of all requests, failures included, that had succeeded within a latency."""
    groups = by_route(records)
    lines = {name: succeeded(groups[route]) for name, route in routes.items()}
    shown = {name: points for name, points in lines.items() if points}
    moments = [moment for points in shown.values() for moment, _ in points] or [1.0]
    frame = Frame(
        axis_of_decades("milliseconds, logarithmic", min(moments), max(moments)),
        Axis("% of the requests", range(0, 101, 25)),
    )
    ends = {name: last(points) if points else 0.0 for name, points in lines.items()}
    least = min(ends, key=ends.__getitem__)
    title = f"At least {ends[least]:.3g} % of the requests of each route succeeded in the end ({routes[least]})"
    names = {name: f"{routes[name]}: {end:.3g} %" for name, end in ends.items()}
    return frame.figure(title, [frame.line(points, name) for name, points in shown.items()], names)


def succeeded(records: Sequence[Record]) -> Points:
    """Return the points of a line: a latency, and the percentage of requests that succeeded within this latency."""
    ordered = [max(value, LEAST_MS) for value in latencies(records)]
    percent = 100 * len(ordered) / len(records)
    steps = min(STEPS, len(ordered))
    return [(quantile(ordered, step / steps), percent * step / steps) for step in range(1, steps + 1)]

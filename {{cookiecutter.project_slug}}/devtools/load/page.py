"""The report as one HTML file that fetches nothing: the table, and a drawing as inline SVG.

locust writes a page too, without what is asked here: how the latencies of a route are distributed, and late starts.
"""

import html
import io
from collections.abc import Sequence
from pathlib import Path
from string import Template

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from devtools.load.report import SHARES, Record, by_route, latencies, quantile, started

STEPS = 200
"""Points of a distribution: more than a page is wide would only make the file large."""


def draw(records: Sequence[Record]) -> Figure:
    """Draw rate and latencies over time, and the distribution of the latencies of each route."""
    figure = Figure(figsize=(11, 11), layout="constrained")
    rate, latency, distribution = figure.subplots(3, 1, height_ratios=[2, 3, 4])
    seconds: dict[int, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.at + record.ms / 1000):
        seconds.setdefault(int(record.at + record.ms / 1000), []).append(record)
    _draw_times(rate, latency, seconds)
    _draw_distribution(distribution, records)
    return figure


def _draw_times(rate: Axes, latency: Axes, seconds: dict[int, list[Record]]) -> None:
    good = [latencies(ended) for ended in seconds.values()]
    bad = [len(ended) - len(values) for ended, values in zip(seconds.values(), good, strict=True)]
    labels, colors = ("succeeded", "failed"), ("tab:blue", "tab:red")
    rate.stackplot([*seconds], list(map(len, good)), bad, labels=labels, colors=colors, step="post")
    for share in SHARES:
        latency.plot([*seconds], [quantile(values, share) for values in good], marker=".", label=f"p{100 * share:g}")
    for axes, title in ((rate, "answers a second"), (latency, "latency of those that succeeded, ms")):
        axes.set(title=title, xlabel="seconds", xlim=(0, max(seconds) or 1), ylim=(0, None))
        axes.legend(loc="upper left", fontsize="small")


def _draw_distribution(axes: Axes, records: Sequence[Record]) -> None:
    shares = [step / STEPS for step in range(1, STEPS + 1)]
    for route, group in by_route(records).items():
        ordered = latencies(group)
        axes.plot([quantile(ordered, share) for share in shares], shares, label=route)
    axes.set(title="share that succeeded within a latency", xscale="log", xlabel="ms", ylim=(0, 1))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")


def page(url: str, records: Sequence[Record], table: list[list[str]], notes: list[str]) -> str:
    """Return the whole file."""
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure = draw(started(records))
        figure.savefig(drawn, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    lines = [f"<td>{'</td><td>'.join(map(html.escape, cells))}</td>" for cells in table]
    return Template(Path(__file__).with_name("page.html").read_text("utf-8")).substitute(
        url=html.escape(url),
        table="\n".join(f"<tr>{line}</tr>" for line in lines),
        notes="\n".join(f"<li>{html.escape(note)}</li>" for note in notes),
        drawing=drawn.getvalue()[drawn.getvalue().index("<svg") :],  # what stands before it names addresses
    )

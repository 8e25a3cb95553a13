"""The status page of the management port: a table for each group of metrics, so that a new metric needs no line here.

Rates and quantiles are those since the page was last shown, which asks again every few seconds, or since the start.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from math import inf
from pathlib import Path
from string import Template
from typing import Any

from prometheus_client import Metric
from prometheus_client.samples import Sample

PAGE = Template(Path(__file__).with_name("status_page.html").read_text("utf-8"))

MIN_SECONDS, MAX_SECONDS = 2.0, 120.0
"""The age in seconds from which on, and up to which, rates are computed from the values of the last page."""

STATUS = "http_response_status_code"
WORRYING = ("waiting", "state")
"""The columns of gauges that are 0 while all is well."""

Before = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
Row = tuple[bool, Sequence[object]]
"""Whether a row of a table is a reason to worry, and the cells."""


class StatusPage:
    """Renders the page, and remembers the values for the rates of the next page."""

    def __init__(self) -> None:
        self._before: tuple[float, Before] = -inf, {}

    def render(self, found: Iterable[Metric], readiness: Mapping[str, Any], now: float) -> str:
        """Return the page as HTML; all text of it is escaped."""
        shown = [one for one in found if one.name.startswith(("app_", "db_", "http_")) and "process" not in one.name]
        shown.sort(key=lambda one: -len(one.samples))
        seconds, before = now - self._before[0], self._before[1]
        if seconds >= MIN_SECONDS:
            self._before = now, {key_of(sample): sample.value for metric in shown for sample in metric.samples}
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:
            seconds, before = inf, {}
        processes = (
            (bool(one["reasons"]), (pid, "; ".join(one["reasons"]) or "ready", f"{one['age_seconds']} s"))
            for pid, one in readiness["processes"].items()
        )
        tables = [table("Processes", ("", "readiness", "age"), processes)]
        head = "", "count" if seconds == inf else "per s", "errors", "p50", "p99"
        tables += (table(one.documentation, head, sorted(durations(one, before, seconds), key=str)) for one in shown)
        tables += gauges([sample for one in shown if one.type != "histogram" for sample in one.samples])
        span = "since the start" if seconds == inf else f"in the last {seconds:.0f} s"
        return PAGE.substitute(state=readiness["status"], span=span, tables="\n".join(tables))


def table(title: str, head: Iterable[str], rows: Iterable[Row]) -> str:
    """Return a section with a table as HTML, nothing without rows."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "\n".join(
        f'<tr class="{"bad" if bad else "good"}">{"".join(f"<td>{escape(str(cell))}</td>" for cell in cells)}</tr>'
        for bad, cells in rows
    )
    return body and f"<section><h2>{escape(title)}</h2><div><table><tr>{names}</tr>\n{body}</table></div></section>"


def durations(metric: Metric, before: Before, seconds: float) -> Iterator[Row]:
    """Yield a row for each set of labels of a histogram: rate, errors and quantiles since before."""
    errors, buckets = defaultdict[str, float](float), defaultdict[str, dict[float, float]](lambda: defaultdict(float))
    for sample in (sample for sample in metric.samples if "le" in sample.labels):
        name = " ".join(value for label, value in sample.labels.items() if label not in {"le", STATUS}) or "all"
        bound, count = float(sample.labels["le"]), sample.value - before.get(key_of(sample), 0)
        buckets[name][bound] += count
        errors[name] += count * (bound == inf and sample.labels.get(STATUS, "").startswith("5"))
    for name, counts in buckets.items():
        if total := counts[inf]:
            quantiles = (min(bound for bound in counts if counts[bound] >= part * total) for part in (0.5, 0.99))
            shown = ("> 10 s" if bound == inf else f"≤ {bound * 1000:g} ms" for bound in quantiles)
            rate = f"{total:g}" if seconds == inf else f"{total / seconds:.1f}"
            yield errors[name] > 0, (name, rate, f"{errors[name] / total:.1%}", *shown)


def gauges(samples: Iterable[Sample]) -> Iterator[str]:
    """Yield a table for each group of gauges and counters: the metrics that begin with the same two words."""
    groups: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for sample in samples:
        first, second, *rest = sample.name.split("_")
        row, group, column = " ".join(sample.labels.values()), f"{first} {second}", " ".join(rest)
        if not row:
            row, group, column = sample.name, "load", "now"
        groups[group][row][column] = sample.value
    for group, rows in groups.items():
        columns = list(dict.fromkeys(column for values in rows.values() for column in values))
        cells = ((row, *(f"{values.get(column, 0):.10g}" for column in columns)) for row, values in rows.items())
        bad = (any(values.get(column) for column in WORRYING) for values in rows.values())
        yield table(group.removeprefix("app "), ("", *columns), zip(bad, cells, strict=True))


def key_of(sample: Sample) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the name and the labels of a sample."""
    return sample.name, tuple(sample.labels.items())

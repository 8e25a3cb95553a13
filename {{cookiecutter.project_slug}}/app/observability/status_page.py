"""The status page of the management port. The page is made from all metrics, so a new metric needs no new code here.

Figures per second and quantiles cover the time since the page was last rendered. For the first rendering, that is the
time since the process started. The page reloads itself every 5 seconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from math import inf
from pathlib import Path
from string import Template
from time import monotonic

from prometheus_client import Metric
from prometheus_client.samples import Sample

PAGE = Template(Path(__file__).with_name("status_page.html").read_text("utf-8"))

STATUS = "http_response_status_code"


class StatusPage:
    """Renders the status page, and keeps the counts of each rendering for the differences in the next rendering."""

    def __init__(self) -> None:
        self._at, self._before = monotonic(), dict[str, float]()

    def render(self, found: Iterable[Metric], state: str) -> str:
        """Return the status page as HTML, with all text escaped."""
        shown = [one for one in found if one.name.startswith(("app_", "db_", "http_"))]
        seconds, before = monotonic() - self._at, self._before
        self._at, self._before = monotonic(), {str(sample[:2]): sample.value for one in shown for sample in one.samples}
        head = "", "per s", "errors", "p50", "p99"
        tables = [table(one.documentation, head, sorted(durations(one, before, seconds))) for one in shown]
        tables.append(table("Load", ("", "now"), load(sample for one in shown for sample in one.samples)))
        return PAGE.substitute(state=state, seconds=f"{seconds:.0f}", tables="\n".join(tables))


def table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return an HTML section with a table, or an empty text if the table has no rows."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "\n".join(f"<tr>{''.join(map(cell_html, cells))}</tr>" for cells in rows)
    return body and f"<section><h2>{escape(title)}</h2><div><table><tr>{names}</tr>\n{body}</table></div></section>"


def cell_html(text: str) -> str:
    """Return a table cell with the text; the path of a route may break after each slash, and so leaves room."""
    return f"<td>{escape(text).replace('/', '/<wbr>')}</td>"


def durations(metric: Metric, before: Mapping[str, float], seconds: float) -> Iterator[tuple[str, ...]]:
    """Yield a row for each set of labels of a histogram: rate, errors and quantiles since the last rendering."""
    errors, buckets = defaultdict[str, float](float), defaultdict[str, dict[float, float]](lambda: defaultdict(float))
    for sample in (sample for sample in metric.samples if "le" in sample.labels):
        name = " ".join(value for label, value in sample.labels.items() if label not in {"le", STATUS}) or "all"
        bound, count = float(sample.labels["le"]), sample.value - before.get(str(sample[:2]), 0)
        buckets[name][bound] += count
        errors[name] += count * (bound == inf and sample.labels.get(STATUS, "").startswith("5"))
    for name, counts in buckets.items():
        if total := counts[inf]:
            quantiles = (min(bound for bound in counts if counts[bound] >= part * total) for part in (0.5, 0.99))
            shown = ("slower" if bound == inf else f"≤ {bound * 1000:g} ms" for bound in quantiles)
            yield name, f"{total / seconds:.1f}", format(errors[name] / total, ".1%"), *shown


def load(samples: Iterable[Sample]) -> Iterator[tuple[str, str]]:
    """Yield a row for each part of the service, such as a bulkhead: the gauges and counters that are not 0."""
    rows: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        _, part, *words = sample.name.split("_")
        if sample.value and "sampled" not in words and not sample.name.endswith(("_bucket", "_sum", "_count")):
            rows[" ".join((part, *sample.labels.values()))].append(f"{' '.join(words)} {round(sample.value, 2):.10g}")
    yield from ((name, ", ".join(values)) for name, values in rows.items())

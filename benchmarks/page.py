"""Draw the results as one HTML page."""

from collections.abc import Iterator
from html import escape

from benchmarks import plots
from benchmarks.report import notes, tables
from benchmarks.results import Case, Results
from benchmarks.shell import document, table
from benchmarks.soak import sentence
from benchmarks.variants import VARIANTS

PLOTS = {
    "cpu": ("CPU per request, microseconds; less is better", "us"),
    "rate": ("answers per second; more is better", "/s"),
    "p99": ("p99, milliseconds; less is better", "ms"),
}
"""A figure for each: its caption, and the unit behind each number."""


def page(results: Results) -> str:
    """Return the page."""
    goals, *numbers = tables(results)
    parts = [
        *_legend(results),
        *table(goals, "goals"),
        *(part for case in results.cases for part in _case(results, case)),
        *_growth(results),
        *(part for one in numbers for part in table(one, "numbers")),
    ]
    return document("Bench", "".join(_colour(variant.name) for variant in VARIANTS), parts)


def _colour(name: str) -> str:
    return (
        f"rect.{name} {{ fill: var(--{name}, var(--other)) }} i.{name} {{ background: var(--{name}, var(--other)) }} "
    )


def _legend(results: Results) -> Iterator[str]:
    yield "<dl>"
    for variant in VARIANTS:
        yield f'<dt><i class="{escape(variant.name)}"></i>{escape(variant.name)}</dt><dd>{escape(variant.label)}</dd>'
    yield "</dl><p>A bar is the median of the rounds, each dot is a round. "
    yield ". ".join(escape(note[0].upper() + note[1:]) for note in list(notes(results))[len(VARIANTS) :])
    yield ".</p>"


def _case(results: Results, case: Case) -> Iterator[str]:
    yield f"<h2>{escape(case.workload)}, {case.connections} clients</h2><section>"
    for value, (caption, unit) in PLOTS.items():
        drawn = plots.programs(results, case, value, unit)
        yield f"<figure><figcaption>{escape(caption)}</figcaption>{drawn}</figure>"
    yield "</section>"


def _growth(results: Results) -> Iterator[str]:
    if results.growth is not None:
        yield f"<h2>memory over requests</h2><figure><figcaption>{escape(sentence(results.growth))}</figcaption>"
        yield f"{plots.line(results.growth)}</figure>"

"""The HTML page of a comparison: the goals, a plot for each figure, and the tables of the report."""

from collections.abc import Iterator
from html import escape

from benchmarks import plots
from benchmarks.report import MISSED, TITLE, notes, tables
from benchmarks.results import Case, Results
from benchmarks.variants import VARIANTS
from drawing.page import Section, document, figure_html, machine, paragraph, swatch, table_html

PLOTS = {
    "cpu": ("CPU per request, less is better", "us"),
    "rate": ("answers per second, more is better", "/s"),
    "p99": ("p99, less is better", "ms"),
}
"""The plots of each workload, by the measured figure: how the plot's title begins, and the unit of the numbers."""

STYLE = "dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em .8em } dd { margin: 0 }\n"


def page(results: Results) -> str:
    """Return the HTML page of a comparison."""
    goals, *numbers = tables(results)
    sections = [
        Section("Goals", list(table_html(goals, alerts={MISSED}))),
        *(_case(results, case) for case in results.cases),
        *_growth(results),
        Section("Tables", [part for content in numbers for part in table_html(content)]),
    ]
    colours = {variant.name: variant.colour for variant in VARIANTS}
    return document(TITLE, _lead(results), sections, series=colours, style=STYLE)


def _lead(results: Results) -> Iterator[str]:
    yield "<dl>"
    for variant in VARIANTS:
        yield f"<dt>{swatch(variant.name)}{escape(variant.name)}</dt><dd>{escape(variant.label)}</dd>"
    yield "</dl>"
    sentences = ". ".join(note[0].upper() + note[1:] for note in notes(results))
    yield paragraph(f"{machine()} A bar is the median of the rounds, each dot is a round. {sentences}.")


def _case(results: Results, case: Case) -> Section:
    figures = [plots.programs(results, case, value, *texts) for value, texts in PLOTS.items()]
    return Section(f"{case.workload}, {case.connections} clients", list(map(figure_html, figures)))


def _growth(results: Results) -> Iterator[Section]:
    if results.growth is not None:
        yield Section("Memory over requests", [figure_html(plots.memory(results.growth))])

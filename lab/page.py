"""The HTML page of the lab: for each experiment the expectation, the finding, the plots and the table."""

from collections.abc import Iterator, Sequence

from drawing.page import Section, document, figure_html, machine, paragraph, table_html
from lab.experiment import COLOURS, Experiment, Finding

TITLE = "The lab: what an event loop does, on this machine"
LEAD = "The numbers are of one machine at one time; look at how they compare."


def page(done: Sequence[tuple[Experiment, Finding]]) -> str:
    """Return the HTML page of the lab."""
    sections = [Section(experiment.title, list(_parts(experiment, finding))) for experiment, finding in done]
    return document(TITLE, [paragraph(f"{machine()} {LEAD}")], sections, series=COLOURS)


def _parts(experiment: Experiment, finding: Finding) -> Iterator[str]:
    yield paragraph(experiment.expect, "What to expect.")
    yield paragraph(finding.sentence, "What happened here.")
    yield from map(figure_html, finding.figures)
    yield from table_html(finding.table)
    yield paragraph(experiment.difference, "If yours differ.")

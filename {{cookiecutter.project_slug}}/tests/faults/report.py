"""Writes the report of the fault tests: a Markdown table, and an HTML page with a chart of each test's requests."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from devtools.drawing.charts import Figure, Mark
from devtools.drawing.frames import Frame, axis_from_zero, axis_of_decades
from devtools.drawing.outcomes import OUTCOMES, SERIES, outcome_of
from devtools.drawing.page import Section, document, figure_html, machine, paragraph
from devtools.drawing.tables import Table, markdown_lines
from tests.faults.timeline import Seen, Timeline

LEAST_SECONDS = 1e-4
"""The lower end of the durations' logarithmic axis, in seconds; shorter durations are drawn at this end."""

FEW = 5
"""The most requests for which the report has no chart of a fault test, unless the test marks a moment, such as SIGTERM.
"""

LEAD = (
    "A fault test breaks something under load. Each point is a request: when it began, and how long it took to its "
    "end. The begin and the end of a fault are lines with a letter, and the list below names them."
)


def read(folder: Path) -> list[Timeline]:
    """Read the timelines that fault tests wrote into a folder, ordered by file name."""
    found = [json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))]
    return [
        Timeline(
            saved["test"],
            took=saved["took"],
            passed=saved["passed"],
            marks=[Mark(**mark) for mark in saved["marks"]],
            seen=[Seen(**seen) for seen in saved["seen"]],
        )
        for saved in found
    ]


def write(timelines: Sequence[Timeline], folder: Path) -> tuple[Path, Path]:
    """Write the Markdown table and the HTML page of the timelines, and return both paths."""
    markdown, page = folder / "report.md", folder / "report.html"
    markdown.write_text("\n".join([*markdown_lines(table(timelines)), ""]), "utf-8")
    page.write_text(html_of(timelines), "utf-8")
    return markdown, page


def table(timelines: Sequence[Timeline]) -> Table:
    """Return the table with a row for each fault test."""
    rows = [
        (": ".join(names(timeline)), passed(timeline), f"{timeline.took:.1f}", counted(timeline.seen))
        for timeline in timelines
    ]
    return Table("Fault tests", ("fault", "passed", "seconds", "outcomes of requests"), rows)


def passed(timeline: Timeline) -> str:
    """Return the word of the table that says whether a test passed."""
    return "yes" if timeline.passed else "NO"


def names(timeline: Timeline) -> tuple[str, str]:
    """Return a test's file and name as words, such as `killed worker` and `no request is lost`."""
    file, _, test = timeline.test.rpartition("::")
    words = test.removeprefix("test_").replace("_", " ")
    return Path(file).stem.removeprefix("test_").replace("_", " "), words


def counted(seen: Sequence[Seen]) -> str:
    """Return the number of requests by outcome as text, such as `98 x 200, 2 x reset reused`."""
    counts = Counter(request.ended for request in seen)
    return ", ".join(f"{number:,} x {ended}" for ended, number in counts.most_common()) or "-"


def html_of(timelines: Sequence[Timeline]) -> str:
    """Return the HTML page of the report: a section for each file, with a chart of each test, failed tests first."""
    files: defaultdict[str, list[Timeline]] = defaultdict(list)
    for timeline in sorted(timelines, key=lambda timeline: (names(timeline)[0], timeline.passed)):
        files[names(timeline)[0]].append(timeline)
    sections = [
        Section(
            file[:1].upper() + file[1:],
            [part for timeline in found for part in _test(timeline)],
            alert=not all(timeline.passed for timeline in found),
        )
        for file, found in files.items()
    ]
    good = sum(timeline.passed for timeline in timelines)
    title = f"{good} of {len(timelines)} fault tests passed"
    return document(title, [paragraph(LEAD), paragraph(machine())], sections, series=SERIES)


def _test(timeline: Timeline) -> Iterator[str]:
    name = names(timeline)[1].replace("[", " (").replace("]", ")")
    name = name[:1].upper() + name[1:]
    if len(timeline.seen) > FEW or (timeline.seen and timeline.marks):
        yield figure_html(replace(chart(timeline, name), alert=not timeline.passed))
    else:
        requests = counted(timeline.seen) if timeline.seen else "no requests of recorded clients"
        yield paragraph(f"{verdict(timeline)}, {requests}.", f"{name}:")


def verdict(timeline: Timeline) -> str:
    """Return whether a test passed, and its duration in seconds, as text."""
    return f"{'passed' if timeline.passed else 'FAILED'} in {timeline.took:.1f} s"


def chart(timeline: Timeline, name: str) -> Figure:
    """Draw each request as a point (start, duration), with the moments that the test marks, such as SIGTERM."""
    groups = {outcome: [seen for seen in timeline.seen if outcome_of(seen.ended) == outcome] for outcome in OUTCOMES}
    groups = {outcome: seen for outcome, seen in groups.items() if seen}
    series = {
        outcome: [(request.at, max(request.seconds, LEAST_SECONDS)) for request in seen]
        for outcome, seen in groups.items()
    }
    moments = [seen.at for seen in timeline.seen] + [mark.end for mark in timeline.marks]
    durations = [seconds for points in series.values() for _, seconds in points]
    frame = Frame(
        axis_from_zero("seconds of the test", max(moments)),
        axis_of_decades("seconds to the response, logarithmic", min(durations), max(durations)),
    )
    return frame.figure(
        f"{name}: {verdict(timeline)}, {counted(timeline.seen)}",
        [frame.dots(points, outcome.series, outcome.marker) for outcome, points in series.items()],
        {outcome.series: f"{outcome.name}: {counted(seen)}" for outcome, seen in groups.items()},
        markers={outcome.series: outcome.marker for outcome in groups},
        marks=sorted(timeline.marks, key=lambda mark: mark.begin),
    )

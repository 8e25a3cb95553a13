"""The report of the fault tests: a table in Markdown, and a page with a picture of the answers around each fault."""

import html
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from tests.faults.timeline import Seen, Timeline

COLOURS = {"2": "tab:green", "3": "tab:blue", "4": "tab:blue", "503": "tab:orange", "504": "tab:orange"}
"""By status or its first digit; what is left is what nobody wants to see."""

UNWANTED = "tab:red"

STYLE = "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto}figure{margin:1em 0}h2{font-size:1.1em}"


def read(folder: Path) -> list[Timeline]:
    """Return what the tests wrote, by name."""
    found = [json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))]
    return [
        Timeline(
            one["test"],
            took=one["took"],
            passed=one["passed"],
            marks=[(at, text) for at, text in one["marks"]],
            seen=[Seen(**seen) for seen in one["seen"]],
        )
        for one in found
    ]


def write(timelines: Sequence[Timeline], folder: Path) -> tuple[Path, Path]:
    """Write both, and return where they are."""
    markdown, page = folder / "report.md", folder / "report.html"
    markdown.write_text("\n".join([*table(timelines), ""]), "utf-8")
    page.write_text("".join(html_of(timelines)), "utf-8")
    return markdown, page


def table(timelines: Sequence[Timeline]) -> Iterator[str]:
    """Yield a line for each test."""
    yield "| fault | held | seconds | what clients got |"
    yield "|---|---|---|---|"
    for one in timelines:
        yield f"| {sentence(one)} | {'yes' if one.passed else 'NO'} | {one.took:.1f} | {counted(one.seen)} |"


def sentence(timeline: Timeline) -> str:
    """Return the name of a test as people write."""
    file, _, test = timeline.test.rpartition("::")
    words = test.removeprefix("test_").replace("_", " ")
    return f"{Path(file).stem.removeprefix('test_').replace('_', ' ')}: {words}"


def counted(seen: Sequence[Seen]) -> str:
    """Return how many requests ended how."""
    counts = Counter(one.ended for one in seen)
    return ", ".join(f"{number:,} x {ended}" for ended, number in counts.most_common()) or "-"


def html_of(timelines: Sequence[Timeline]) -> Iterator[str]:
    """Yield the page; it needs no other file."""
    held = sum(one.passed for one in timelines)
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>Faults</title><style>{STYLE}</style>"
    yield f"<h1>{held} of {len(timelines)} faults held</h1>"
    for one in timelines:
        yield f"<h2>{'' if one.passed else 'NOT HELD: '}{html.escape(sentence(one))}</h2>"
        yield f"<p>{html.escape(counted(one.seen))}; {one.took:.1f} s</p>"
        if one.seen:
            yield f"<figure>{picture(one)}</figure>"
    yield "</html>"


def picture(timeline: Timeline) -> str:
    """Draw how long each request took over the moment in which it began, and what was done to the service."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.add_subplot(xlabel="seconds of the test", ylabel="seconds to the answer", yscale="log")
    for ended in sorted({one.ended for one in timeline.seen}):
        these = [one for one in timeline.seen if one.ended == ended]
        begins, took = [one.at for one in these], [max(one.seconds, 1e-4) for one in these]
        # as one picture inside the drawing: thousands of single points would make it slow
        axes.scatter(begins, took, s=6, color=colour(ended), label=ended, rasterized=True)
    for at, text in timeline.marks:
        axes.axvline(at, color="gray", linewidth=1)
        axes.annotate(text, (at, 1), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right", fontsize=8)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    file = io.StringIO()
    figure.savefig(file, format="svg", dpi=110)
    return file.getvalue().partition("<svg")[1] + file.getvalue().partition("<svg")[2]


def colour(ended: str) -> str:
    """Return the colour of a status or of a failure."""
    return COLOURS.get(ended) or COLOURS.get(ended[0], UNWANTED)

"""The plot of a fault: each request of a fault test as a dot, from a timeline that the test recorded.

`python -m pictures --record FILE` takes a timeline of a generated service, which its `FAULT_TIMELINES=FOLDER uv run
python -m pytest tests/faults/test_frozen_database.py` writes; without `--record`, the last timeline is drawn again.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from drawing.charts import Figure, Mark, Points
from drawing.frames import Frame, axis_from_zero, axis_of_decades
from drawing.outcomes import OUTCOMES, SERIES, outcome_of

RECORDED = Path(__file__).with_name("frozen_database.json")
LEAST_SECONDS = 1e-3
COLOURS = SERIES


def record(timeline: Path) -> None:
    """Store the timeline of a fault test, with times in milliseconds, as the data of the picture."""
    given: dict[str, Any] = json.loads(timeline.read_text("utf-8"))
    seen = [[round(one["at"], 3), round(one["seconds"], 3), one["ended"]] for one in given["seen"]]
    marks = [[mark["text"], round(mark["begin"], 2), round(mark["end"], 2)] for mark in given["marks"]]
    RECORDED.write_text(json.dumps({"marks": marks, "seen": seen}, separators=(",", ":")) + "\n", "utf-8")


def frozen_database() -> Figure:
    """Draw the requests of a fault test during which PostgreSQL was frozen by SIGSTOP and continued later."""
    kept: dict[str, Any] = json.loads(RECORDED.read_text("utf-8"))
    marks = [Mark(*mark) for mark in kept["marks"]]
    first = marks[0].begin - 3  # earlier seconds are the start of the service
    shown = [(at - first, max(seconds, LEAST_SECONDS), ended) for at, seconds, ended in kept["seen"] if at >= first]
    series: defaultdict[str, Points] = defaultdict(list)
    for at, seconds, ended in shown:
        series[outcome_of(ended).series] = [*series[outcome_of(ended).series], (at, seconds)]
    across = axis_from_zero("seconds", max(at for at, _, _ in shown))
    frame = Frame(across, axis_of_decades("seconds to the end of the response", LEAST_SECONDS, 10))
    found = [outcome for outcome in OUTCOMES if outcome.series in series]
    dots = [frame.dots(series[outcome.series], outcome.series, outcome.marker) for outcome in found]
    slowest = max(seconds for _, seconds, _ in shown)
    frozen = marks[0].end - marks[0].begin
    title = f"PostgreSQL is frozen for {frozen:.0f} s (A): no response takes more than {slowest:.1f} s"
    moved = [Mark(mark.text, mark.begin - first, mark.end - first) for mark in marks]
    return frame.figure(title, dots, {outcome.series: outcome.name for outcome in found}, marks=moved)

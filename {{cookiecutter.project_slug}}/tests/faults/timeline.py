"""The timeline of a fault test: the outcome of each request, and marks at the moments of the faults.

`Answers`, the record of a client's responses, adds each request to the timeline. `python -m tests.faults` makes a
report from the timelines.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

from devtools.drawing.charts import Mark

FOLDER = "FAULT_TIMELINES"
"""The environment variable with the folder of the timeline files; without it, no file is written."""

KEPT = 20_000
"""The most requests that a timeline records, which bounds a long test's file; further requests are dropped."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request of a fault test: its start and duration in seconds, and its outcome."""

    at: float
    seconds: float
    ended: str
    """The status of the response, or in words the reason why there is no complete response."""


@dataclass(slots=True)
class Timeline:
    """The requests of a fault test and the marks of the faults, each with the seconds since the start of the test."""

    test: str
    began: float = field(default_factory=perf_counter)
    took: float = 0.0
    passed: bool = False
    marks: list[Mark] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write this timeline as JSON into a file in the folder, named after the test."""
        name = "".join(letter if letter.isalnum() else "-" for letter in self.test)
        (folder / f"{name[-120:]}.json").write_text(json.dumps(asdict(self)), "utf-8")


_running: list[Timeline] = []
"""The timelines to which requests are added now: one during a fault test, otherwise none."""


@contextmanager
def recorded(test: str) -> Iterator[Timeline]:
    """Record the requests of a test during the block, and write the timeline into a file at the end."""
    timeline = Timeline(test)
    _running.append(timeline)
    try:
        yield timeline
    finally:
        _running.remove(timeline)
        timeline.took = perf_counter() - timeline.began
        if folder := os.environ.get(FOLDER):
            timeline.write(Path(folder))


def mark(text: str) -> None:
    """Mark the present moment in the running test's timeline with a text that the chart shows, such as `SIGTERM`."""
    for timeline in _running:
        now = perf_counter() - timeline.began
        timeline.marks.append(Mark(text, now, now))


@contextmanager
def fault(text: str) -> Iterator[None]:
    """Mark the begin and the end of a fault, which lasts for the block, such as `the database is away`."""
    began = perf_counter()
    try:
        yield
    finally:
        ended = perf_counter()
        for timeline in _running:
            timeline.marks.append(Mark(text, began - timeline.began, ended - timeline.began))


def add(started: float, seconds: float, ended: str) -> None:
    """Record a request in the running test's timeline; `ended` is the status or the reason for no response."""
    for timeline in _running:
        if len(timeline.seen) < KEPT:
            timeline.seen.append(Seen(started - timeline.began, seconds, ended))

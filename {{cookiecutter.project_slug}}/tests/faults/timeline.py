"""What happened during a fault test, in the order of time: what clients saw, and what was done to the service.

Every `Answers` adds to the timeline of the test that runs; `mark` says what is broken now. `python -m tests.faults`
makes its report of them.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

FOLDER = "FAULT_TIMELINES"
"""The environment variable that names where they are written; without it they are not."""

KEPT = 20_000
"""Of each timeline, so that a long test makes no endless file; the counts in the report are of these."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request: when it began, how long it took in seconds, and how it ended."""

    at: float
    seconds: float
    ended: str
    """A status, or in words why there is none."""


@dataclass(slots=True)
class Timeline:
    """One test."""

    test: str
    began: float = field(default_factory=perf_counter)
    took: float = 0.0
    passed: bool = False
    marks: list[tuple[float, str]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write it into a file of its own."""
        name = "".join(letter if letter.isalnum() else "-" for letter in self.test)
        (folder / f"{name[-120:]}.json").write_text(json.dumps(asdict(self)), "utf-8")


_running: list[Timeline] = []


@contextmanager
def recorded(test: str) -> Iterator[Timeline]:
    """Keep a timeline while the block runs, and write it at the end."""
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
    """Say what is done to the service at this moment, for the report."""
    for timeline in _running:
        timeline.marks.append((perf_counter() - timeline.began, text))


def add(started: float, seconds: float, ended: str) -> None:
    """Take down a request."""
    for timeline in _running:
        if len(timeline.seen) < KEPT:
            timeline.seen.append(Seen(started - timeline.began, seconds, ended))

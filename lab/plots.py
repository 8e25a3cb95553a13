"""Draw what the experiments found, with the bench's bars and frame."""

import math
from collections.abc import Mapping, Sequence

from benchmarks.drawing import Axis, Bar, Frame, bars

from lab.client import Answer
from lab.experiment import Figure, milliseconds

HEIGHT = 300
STEPS = (1, 2, 2.5, 5, 10)
TICKS = 6
Points = Sequence[tuple[float, float]]


def axis(label: str, most: float) -> Axis:
    """Return an axis from 0 to beyond the largest value, with round numbers on it."""
    power = 10 ** math.floor(math.log10(most / TICKS))
    step = next(power * factor for factor in STEPS if power * factor * TICKS >= most)
    return Axis(label, [step * tick for tick in range(math.ceil(most / step) + 1)])


def latencies(caption: str, since: str, found: Mapping[str, Sequence[Answer]], legend: Mapping[str, str]) -> Figure:
    """Draw a dot for each answer: how long it took by when it was asked, in milliseconds."""
    series = {
        kind: [(answer.asked * 1000, answer.seconds * 1000) for answer in answers] for kind, answers in found.items()
    }
    return dots(caption, f"asked so many milliseconds after {since}", series, legend)


def dots(caption: str, across: str, series: Mapping[str, Points], legend: Mapping[str, str]) -> Figure:
    """Draw a dot for each point; upwards are milliseconds."""
    points = [point for those in series.values() for point in those]
    frame = Frame(axis(across, max(x for x, _ in points)), axis("milliseconds", max(y for _, y in points)), HEIGHT)
    drawn = "".join(frame.dots(those, kind) for kind, those in series.items())
    return Figure(caption, frame.draw(drawn), legend)


def lines(caption: str, frame: Frame, series: Mapping[str, Points], legend: Mapping[str, str]) -> Figure:
    """Draw a line with dots for each kind."""
    drawn = "".join(frame.path(those, kind) + frame.dots(those, kind) for kind, those in series.items())
    return Figure(caption, frame.draw(drawn), legend)


def times(caption: str, rows: Sequence[tuple[str, str, float]]) -> Figure:
    """Draw a bar for each row of a kind, a name and seconds."""
    drawn = [Bar(name, seconds, milliseconds(seconds), kind=kind) for kind, name, seconds in rows]
    return Figure(caption, bars(drawn, left=190), {})

"""Plots of the lab's experiments, with the charts of `drawing`; each title is computed from what the plot shows."""

from collections.abc import Callable, Mapping, Sequence

from drawing.charts import Bar, Figure, Points, bars
from drawing.frames import Frame, axis_from_zero
from drawing.titles import highest, title_of_bars, title_of_points
from lab.client import Answer

Value = Callable[[Points], float]


def write(number: float) -> str:
    """Return a number of milliseconds as text."""
    return f"{number:,.0f} ms"


def latencies(
    subject: str, since: str, found: Mapping[str, Sequence[Answer]], legend: Mapping[str, str], value: Value = highest
) -> Figure:
    """Draw a dot for each answer: the latency over the moment of the request, in milliseconds."""
    series = {
        name: [(answer.asked * 1000, answer.seconds * 1000) for answer in answers] for name, answers in found.items()
    }
    return dots(subject, f"time of the request, milliseconds after {since}", series, legend, value)


def dots(
    subject: str, across: str, series: Mapping[str, Points], legend: Mapping[str, str], value: Value = highest
) -> Figure:
    """Draw a dot for each point of each series, with milliseconds upwards; the title has a value for each series."""
    frame = frame_of(across, series)
    title = title_of_points(subject, series, legend, value, write)
    return frame.figure(title, [frame.dots(group, name) for name, group in series.items()], legend)


def lines(subject: str, across: str, series: Mapping[str, Points], legend: Mapping[str, str], value: Value) -> Figure:
    """Draw a line with dots for each series, with milliseconds upwards; the title has a value for each series."""
    frame = frame_of(across, series)
    title = title_of_points(subject, series, legend, value, write)
    drawn = [frame.line(group, name) + frame.dots(group, name) for name, group in series.items()]
    return frame.figure(title, drawn, legend)


def frame_of(across: str, series: Mapping[str, Points]) -> Frame:
    """Return a frame, with axes from zero, that holds all points."""
    points = [point for group in series.values() for point in group]
    most_across, most_up = (max(point[place] for point in points) for place in range(2))
    return Frame(axis_from_zero(across, most_across), axis_from_zero("milliseconds", most_up))


def times(subject: str, rows: Sequence[tuple[str, str, float]]) -> Figure:
    """Draw a bar for each row; a row has the series, a name, and seconds."""
    drawn = [Bar(name, seconds, write(seconds * 1000), series=series) for series, name, seconds in rows]
    return Figure(title_of_bars(subject, drawn), bars(drawn))

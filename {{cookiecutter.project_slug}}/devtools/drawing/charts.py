"""Charts of the reports: figures with a title, marks on the time axis, and bars; a CSS class colours each series."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on a chart's time axis: a moment, such as a signal, or a span with begin and end, such as a fault."""

    text: str
    begin: float
    end: float

    @property
    def time(self) -> str:
        """Return the time of the mark as text: a moment, or begin and end."""
        begin, end = f"{self.begin:.2f}", f"{self.end:.2f}"
        return f"{begin} s" if begin == end else f"{begin} s to {end} s"


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with a title; `legend` maps the CSS class of each series to its name."""

    caption: str
    drawing: str
    legend: Mapping[str, str] = field(default_factory=dict)
    markers: Mapping[str, str] = field(default_factory=dict)
    """The marker of each series in the legend, a name in MARKERS; a series without marker has a coloured square."""
    across: str = ""
    """Label of the chart's horizontal axis."""
    up: str = ""
    """Label of the chart's vertical axis."""
    marks: Sequence[Mark] = ()
    alert: bool = False
    """Whether the title has the colour of an alert, as on the chart of a failed test."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar with a dot for each measurement; `series` is the CSS class."""

    name: str
    value: float
    label: str
    dots: Sequence[float] = ()
    series: str = ""


def bars(rows: Sequence[Bar]) -> str:
    """Draw bars below each other, as HTML: text beside a bar stays legible on a narrow page."""
    most = max(number for row in rows for number in (row.value, *row.dots))
    return f'<div class="bars">{"".join(_bar(row, most) for row in rows)}</div>'


def _bar(row: Bar, most: float) -> str:
    dots = "".join(f'<i class="one" style="left:{100 * dot / most:.2f}%"></i>' for dot in row.dots)
    return (
        f'<span>{escape(row.name)}</span><b>{escape(row.label)}</b><div class="track {escape(row.series)}">'
        f'<i class="bar" style="width:{100 * row.value / most:.2f}%"></i>{dots}</div>'
    )


def lettered(marks: Sequence[Mark]) -> Iterable[tuple[str, Mark]]:
    """Return each mark of a chart with a letter, A to Z and then numbers, for the chart and the list of marks."""
    letters = (chr(ord("A") + place) if place < 26 else str(place + 1) for place in range(len(marks)))  # noqa: PLR2004 - the letters from A to Z
    return zip(letters, marks, strict=True)


def short(number: float) -> str:
    """Write a number with three significant digits, or from 100 on as an integer."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004 - a number with three integer digits

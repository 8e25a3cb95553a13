"""Frames of charts, as SVG text: two axes, and dots, lines, columns and marks between them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from .charts import Figure, Mark, Points, lettered, short

WIDTH, LEFT, TOP, BOTTOM, EDGE = 480, 58, 14, 26, 24
"""Width and margins of a chart's frame, in SVG units.

The margins leave room for the text, which page.css enlarges on a narrow page.
"""

HEIGHT = 220
LETTER = 16
"""Width of the letter above a mark on the time axis, in SVG units; the letters of nearer marks are in two rows."""

ROUND_STEPS = (1, 2, 2.5, 5, 10)
TICKS = 6
"""Largest number of ticks on a chart's axis, so that the numbers along the axis do not overlap."""

MARKERS: Mapping[str, str] = {
    "dot": "h0",
    "square": "m-2.2-2.2h4.4v4.4h-4.4z",
    "triangle": "m0-3 3 5.2h-6z",
    "diamond": "m0-3.4 2.6 3.4-2.6 3.4-2.6-3.4z",
    "cross": "m-2.3-2.3 4.6 4.6m0-4.6-4.6 4.6",
    "plus": "m-3 0h6m-3-3v6",
}
"""The SVG path of each marker of data points, relative to the point; page.css strokes the paths with round ends."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a chart: the label, and the ticks from the first to the last."""

    label: str
    ticks: Sequence[float]
    logarithmic: bool = False

    def position(self, value: float) -> float:
        """Return the position of a value on the axis, from 0 at the first tick to 1 at the last."""
        first, last, here = (self._scaled(number) for number in (self.ticks[0], self.ticks[-1], value))
        return (here - first) / (last - first)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def axis_from_zero(label: str, largest: float) -> Axis:
    """Return an axis from 0 to at least the largest value, with round numbers as ticks."""
    largest = largest or 1.0
    power = 10 ** math.floor(math.log10(largest / TICKS))
    step = next(power * factor for factor in ROUND_STEPS if power * factor * TICKS >= largest)
    return Axis(label, [step * tick for tick in range(math.ceil(largest / step) + 1)])


def axis_of_decades(label: str, least: float, most: float) -> Axis:
    """Return a logarithmic axis whose powers of ten, one tick each, enclose the values."""
    first = math.floor(math.log10(least))
    last = max(first + 1, math.ceil(math.log10(most)))
    return Axis(label, [10.0**power for power in range(first, last + 1)], logarithmic=True)


@dataclass(frozen=True, slots=True)
class Frame:
    """The drawing area of a chart: two axes, and dots, lines, columns and marks between them."""

    across: Axis
    up: Axis
    height: int = HEIGHT

    def figure(
        self,
        caption: str,
        content: Iterable[str],
        legend: Mapping[str, str],
        *,
        markers: Mapping[str, str] | None = None,
        marks: Sequence[Mark] = (),
    ) -> Figure:
        """Return a figure: axes, grid, marks, and `content` on top; the page shows caption, labels and legend."""
        drawn = "".join([*self._axes(), self._marks(marks), *content])
        svg = f'<svg viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{escape(caption)}">{drawn}</svg>'
        return Figure(caption, svg, legend, markers or {}, self.across.label, self.up.label, marks)

    def _axes(self) -> Iterable[str]:
        bottom, right = self._bottom, WIDTH - EDGE
        yield f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
        for tick in self.across.ticks:
            x = self._at(tick, self.up.ticks[0])[0]
            yield f'<text x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{tick_text(tick)}</text>'
        for tick in self.up.ticks:
            y = self._at(self.across.ticks[0], tick)[1]
            yield f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>'
            yield f'<text x="{LEFT - 6}" y="{y:.1f}" text-anchor="end" class="up">{tick_text(tick)}</text>'

    def _marks(self, marks: Sequence[Mark]) -> str:
        """Draw each mark of the time axis as a band below a letter, with lines from begin and end down to the axis."""
        drawn, taken = [], -math.inf
        for letter, mark in lettered(marks):
            begin, end = (self._at(moment, self.up.ticks[0])[0] for moment in (mark.begin, mark.end))
            lines = "".join(f'<path class="edge" d="M{x:.1f} {TOP}V{self._bottom + 5}"/>' for x in sorted({begin, end}))
            row = TOP - 3 if begin - taken >= LETTER or taken < 0 else TOP + LETTER - 3
            taken = begin if row < TOP else -math.inf
            drawn.append(
                f'<rect class="span" x="{begin:.1f}" y="{TOP}" width="{end - begin:.1f}" '
                f'height="{self._bottom - TOP}"/>{lines}'
                f'<text class="mark" x="{begin + 2:.1f}" y="{row}">{letter}</text>'
            )
        return "".join(drawn)

    def dots(self, points: Points, series: str, marker: str = "dot") -> str:
        """Draw a marker for each point, all in a single SVG path; points at the same place get one marker."""
        spots = dict.fromkeys(f"{x:.1f} {y:.1f}" for x, y in (self._at(*point) for point in points))
        drawn = "".join(f"M{spot}{MARKERS[marker]}" for spot in spots)
        return f'<path class="marker {marker} {escape(series)}" d="{drawn}"/>'

    def line(self, points: Points, series: str) -> str:
        """Draw a line through the points of a chart."""
        positions = " L".join(f"{x:.1f} {y:.1f}" for x, y in (self._at(*point) for point in points))
        return f'<path class="line {escape(series)}" d="M{positions}"/>'

    def columns(self, columns: Iterable[tuple[float, float, float]], width: float, series: str) -> str:
        """Draw the columns of a chart, each given by the position on the axis and the lower and upper height."""
        drawn = []
        for x, low, high in columns:
            (left, bottom), (right, top) = self._at(x, low), self._at(x + width, high)
            drawn.append(f"M{left:.1f} {bottom:.1f}V{top:.1f}H{right:.1f}V{bottom:.1f}z")
        return f'<path class="column {escape(series)}" d="{"".join(drawn)}"/>'

    def _at(self, x: float, y: float) -> tuple[float, float]:
        """Return the SVG coordinates of a point."""
        return (
            LEFT + self.across.position(x) * (WIDTH - LEFT - EDGE),
            self._bottom - self.up.position(y) * (self._bottom - TOP),
        )

    @property
    def right(self) -> float:
        """The value at the right end of a chart's horizontal axis."""
        return self.across.ticks[-1]

    @property
    def top(self) -> float:
        """The value at the upper end of a chart's vertical axis."""
        return self.up.ticks[-1]

    @property
    def _bottom(self) -> int:
        return self.height - BOTTOM


def tick_text(number: float) -> str:
    """Write a number beside an axis, from 10,000 on in thousands with a `k`, because there is little room."""
    return f"{number / 1000:,.4g}k" if number >= 10_000 else short(number)  # noqa: PLR2004 - named in the docstring

"""Draw bars, dots and lines as SVG. Colours are classes of the page's style, so that a dark page can have others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

BAR, GAP, LENGTH, RIGHT = 20, 8, 240, 80
WIDTH, LEFT, TOP, BOTTOM, EDGE = 700, 70, 30, 30, 30
LABEL = 18
"""What a line of text takes in height."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with the single measurements as dots on it; `kind` is its class."""

    name: str
    value: float
    label: str
    dots: Sequence[float] = ()
    kind: str = ""


def bars(rows: Sequence[Bar], left: int = 50) -> str:
    """Draw them one below the other, with so much room for the names."""
    scale = LENGTH / max(number for row in rows for number in (row.value, *row.dots))
    drawn = (
        f'<g transform="translate(0 {place * (BAR + GAP)})">{_bar(row, left, scale)}</g>'
        for place, row in enumerate(rows)
    )
    return svg(left + LENGTH + RIGHT, len(rows) * (BAR + GAP), "".join(drawn))


def _bar(row: Bar, left: int, scale: float) -> str:
    dots = "".join(f'<circle cx="{left + one * scale:.1f}" cy="{BAR / 2}" r="2.5"/>' for one in row.dots)
    end = left + max(row.value, *row.dots, row.value) * scale
    return (
        f'<text x="{left - 8}" y="{BAR - 5}" text-anchor="end">{escape(row.name)}</text>'
        f'<rect class="{escape(row.kind)}" x="{left}" width="{row.value * scale:.1f}" height="{BAR}"/>{dots}'
        f'<text x="{end + 8:.1f}" y="{BAR - 5}">{escape(row.label)}</text>'
    )


@dataclass(frozen=True, slots=True)
class Axis:
    """What is on it, and the numbers to write beside it; it reaches from the first to the last of them."""

    label: str
    ticks: Sequence[float]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return where a value is, from 0 to 1."""
        first, last, here = (self._scaled(number) for number in (self.ticks[0], self.ticks[-1], value))
        return (here - first) / (last - first)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


@dataclass(frozen=True, slots=True)
class Frame:
    """Two axes with room between them."""

    across: Axis
    up: Axis
    height: int = 200

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where to draw a point."""
        return (
            LEFT + self.across.share(x) * (WIDTH - LEFT - EDGE),
            self._bottom - self.up.share(y) * (self._bottom - TOP),
        )

    def draw(self, content: str) -> str:
        """Return the picture: the axes, and this inside."""
        bottom, right = self._bottom, WIDTH - EDGE
        parts = [f'<path class="axis" d="M{LEFT} {TOP} V{bottom} H{right}"/>']
        for tick in self.across.ticks:
            x = self.at(tick, self.up.ticks[0])[0]
            parts.append(f'<text x="{x:.0f}" y="{bottom + LABEL}" text-anchor="middle">{short(tick)}</text>')
        for tick in self.up.ticks:
            y = self.at(self.across.ticks[0], tick)[1]
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f} H{right}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>')
        middle = (LEFT + right) / 2
        parts.append(
            f'<text x="{middle}" y="{bottom + 2 * LABEL}" text-anchor="middle">{escape(self.across.label)}</text>'
        )
        parts.append(f'<text x="4" y="{TOP - 12}">{escape(self.up.label)}</text>')
        return svg(WIDTH, self.height + LABEL, "".join(parts) + content)

    def dots(self, points: Sequence[tuple[float, float]], kind: str = "") -> str:
        """Draw a dot for each point."""
        places = (self.at(*point) for point in points)
        return "".join(f'<circle class="{escape(kind)}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in places)

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> str:
        """Draw a line through the points."""
        places = " L".join(f"{x:.1f} {y:.1f}" for x, y in (self.at(*point) for point in points))
        return f'<path class="{escape(kind)}" d="M{places}"/>'

    @property
    def _bottom(self) -> int:
        return self.height - BOTTOM


def short(number: float) -> str:
    """Write three digits that count, or all of a large number."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004 - three digits


def svg(width: int, height: int, content: str) -> str:
    """Grow with the page up to a bit more than its own size, so that letters stay letters."""
    return f'<svg viewBox="0 0 {width} {height}" style="max-width: {width * 1.2:.0f}px" role="img">{content}</svg>'

"""Draw bars and a line as SVG. Colours are classes of the page's style, so that a dark page can have others."""

from collections.abc import Sequence
from html import escape

from benchmarks.growth import Growth
from benchmarks.results import Case, Results

BAR, GAP, LEFT, LENGTH, RIGHT = 20, 8, 50, 240, 80
WIDTH = LEFT + LENGTH + RIGHT

LINE_WIDTH, LINE_HEIGHT, MARGIN_LEFT, MARGIN = 700, 200, 70, 30
TICKS = 4


def bars(results: Results, case: Case, value: str, unit: str) -> str:
    """Draw the median of each program as a bar, and its rounds as dots."""
    variants = results.variants(case)
    largest = max(number for variant in variants for number in results.each(case, variant, value))
    rows = []
    for place, variant in enumerate(variants):
        numbers = results.each(case, variant, value)
        middle = results.middle(case, variant, value)
        row = _bar(variant, middle, numbers, f"{_short(middle)} {unit}", LENGTH / largest)
        rows.append(f'<g transform="translate(0 {place * (BAR + GAP)})">{row}</g>')
    return _svg(WIDTH, len(rows) * (BAR + GAP), "".join(rows))


def _bar(name: str, middle: float, numbers: Sequence[float], label: str, scale: float) -> str:
    dots = "".join(f'<circle cx="{LEFT + one * scale:.1f}" cy="{BAR / 2}" r="2.5"/>' for one in numbers)
    return (
        f'<text x="{LEFT - 8}" y="{BAR - 5}" text-anchor="end">{escape(name)}</text>'
        f'<rect class="{escape(name)}" x="{LEFT}" width="{middle * scale:.1f}" height="{BAR}"/>{dots}'
        f'<text x="{LEFT + max(middle, *numbers, middle) * scale + 8:.1f}" y="{BAR - 5}">{escape(label)}</text>'
    )


def _short(number: float) -> str:
    """Write three digits that count, or all of a large number."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004 - three digits


def line(growth: Growth) -> str:
    """Draw memory over requests, and the straight line through what counts."""
    most = growth.points[-1][0]
    sizes = [size for _, size in growth.points]
    low, high = int(min(sizes)) - 1, int(max(sizes)) + 2

    def at(sent: float, size: float) -> tuple[float, float]:
        across = MARGIN_LEFT + sent / most * (LINE_WIDTH - MARGIN_LEFT - MARGIN)
        return across, LINE_HEIGHT - MARGIN - (size - low) / (high - low) * (LINE_HEIGHT - 2 * MARGIN)

    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in (at(*one) for one in growth.points))
    ends = [at(sent, growth.at(sent)) for sent in (growth.settled[0][0], growth.settled[-1][0])]
    fitted = f'<path class="fit" d="M{ends[0][0]:.1f} {ends[0][1]:.1f} L{ends[1][0]:.1f} {ends[1][1]:.1f}"/>'
    return _svg(LINE_WIDTH, LINE_HEIGHT, _axes(most, low, high) + fitted + dots)


def _axes(most: int, low: int, high: int) -> str:
    bottom, right = LINE_HEIGHT - MARGIN, LINE_WIDTH - MARGIN
    parts = [f'<path class="axis" d="M{MARGIN_LEFT} {MARGIN} V{bottom} H{right}"/>']
    for tick in range(TICKS + 1):
        across = MARGIN_LEFT + tick / TICKS * (right - MARGIN_LEFT)
        parts.append(f'<text x="{across:.0f}" y="{bottom + 18}" text-anchor="middle">{most * tick / TICKS:,.0f}</text>')
    parts.append(f'<text x="{MARGIN_LEFT - 8}" y="{bottom}" text-anchor="end">{low} MB</text>')
    parts.append(f'<text x="{MARGIN_LEFT - 8}" y="{MARGIN + 5}" text-anchor="end">{high} MB</text>')
    return "".join(parts)


def _svg(width: int, height: int, content: str) -> str:
    """Grow with the page up to a bit more than its own size, so that letters stay letters."""
    return f'<svg viewBox="0 0 {width} {height}" style="max-width: {width * 1.2:.0f}px" role="img">{content}</svg>'

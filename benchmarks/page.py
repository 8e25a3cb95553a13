"""Draw the results as one HTML page that needs nothing else: no script, no address of another server."""

from collections.abc import Iterator
from html import escape

from benchmarks.report import markdown
from benchmarks.results import Case, Results

COLORS = {"L0": "#9aa5b1", "L1": "#52606d", "L5": "#e07a5f", "ours": "#2a7f9e"}
OTHER_COLOR = "#8e6bbf"

PLOTS = {
    "cpu": "CPU of the server per request, microseconds",
    "rate": "requests per second",
    "p99": "p99, milliseconds",
}

BAR, GAP, LEFT, WIDTH, RIGHT = 18, 6, 70, 420, 90

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; color: #1f2933; padding: 0 1em }
section { display: flex; flex-wrap: wrap; gap: 1em } figure { margin: 0 } figcaption { color: #52606d }
pre { overflow-x: auto; background: #f5f7fa; padding: 1em; font-size: 12px }
@media (prefers-color-scheme: dark) { body { background: #14181d; color: #e4e7eb } pre { background: #1f2933 } }
"""


def page(results: Results) -> str:
    """Return the page."""
    parts = [part for case in results.cases for part in _section(results, case)]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Bench</title><style>{STYLE}</style>'
        "<h1>Bench</h1><p>A bar is the median of the rounds, the dots are the rounds.</p>"
        f"{''.join(parts)}<h2>All numbers</h2><pre>{escape(markdown(results))}</pre></html>\n"
    )


def _section(results: Results, case: Case) -> Iterator[str]:
    yield f"<h2>{escape(case.workload)}, {case.connections} clients</h2><section>"
    for value, caption in PLOTS.items():
        yield f"<figure><figcaption>{escape(caption)}</figcaption>{_bars(results, case, value)}</figure>"
    yield "</section>"


def _bars(results: Results, case: Case, value: str) -> str:
    variants = results.variants(case)
    largest = max(number for variant in variants for number in results.each(case, variant, value))
    rows = [_bar(results, case, variant, value, WIDTH / largest) for variant in variants]
    moved = [f'<g transform="translate(0 {place * (BAR + GAP)})">{row}</g>' for place, row in enumerate(rows)]
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{len(rows) * (BAR + GAP)}"'
    return f'<svg {size} role="img" fill="currentColor" font-size="13">{"".join(moved)}</svg>'


def _bar(results: Results, case: Case, variant: str, value: str, scale: float) -> str:
    middle = results.middle(case, variant, value)
    length = LEFT + middle * scale
    color = COLORS.get(variant, OTHER_COLOR)
    dots = "".join(
        f'<circle cx="{LEFT + number * scale:.1f}" cy="{BAR / 2}" r="2.5" fill-opacity=".6"/>'
        for number in results.each(case, variant, value)
    )
    return (
        f'<text x="{LEFT - 8}" y="{BAR - 5}" text-anchor="end">{escape(variant)}</text>'
        f'<rect x="{LEFT}" width="{length - LEFT:.1f}" height="{BAR}" fill="{color}"/>{dots}'
        f'<text x="{LEFT + WIDTH + 8}" y="{BAR - 5}">{middle:,.1f}</text>'
    )

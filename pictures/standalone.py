"""A figure of the drawing kit as an independent SVG file, which contains the style, the axes' names and the legend."""

import re
from collections.abc import Mapping
from html import escape

from drawing.charts import Figure
from drawing.colours import series_style, variables
from drawing.frames import LEFT, WIDTH

LINE = 14
STYLE = """svg { font: 9px system-ui, sans-serif; background: var(--back) } text { fill: var(--text) }
text.up { dominant-baseline: central } text.title { font-weight: 600; font-size: 11px } text.weak { fill: var(--weak) }
.axis { stroke: var(--rule); fill: none } .grid { stroke: var(--rule); stroke-opacity: .5; fill: none }
.line { stroke: var(--series); stroke-width: 1.8; fill: none; stroke-linejoin: round } .column { fill: var(--series) }
.marker { stroke: var(--series); fill: var(--series); stroke-linecap: round } .marker.dot { stroke-width: 4.4 }
.span { fill: var(--alert); fill-opacity: .09 } .edge { stroke: var(--alert); stroke-dasharray: 3 2; fill: none }
text.mark { font-weight: 700; fill: var(--alert) } .box { fill: none; stroke: var(--rule) }
.arrow { stroke: var(--weak); fill: none }
"""


def style(colours: Mapping[str, str]) -> str:
    """Return the CSS of an SVG file whose series have these colours of the palette."""
    return f"<style>{variables()}{STYLE}{series_style(colours)}</style>"


def document(title: str, height: int, content: str, colours: Mapping[str, str], *, top: int = 0) -> str:
    """Return an SVG file with a drawing; `top` is the room above the drawing's zero."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-top} {WIDTH} {height + top}" role="img" '
        f'aria-label="{escape(title)}">{style(colours)}{content}</svg>\n'
    )


def standalone(figure: Figure, colours: Mapping[str, str]) -> str:
    """Return a figure as an SVG file."""
    (size,) = re.findall(r'viewBox="0 0 \d+ (\d+)"', figure.drawing)
    inner = figure.drawing.partition(">")[2].removesuffix("</svg>")
    height = int(size)
    parts = [
        f'<text class="title" x="6" y="{-2 * LINE}">{escape(figure.caption)}</text>',
        f'<text class="weak" x="6" y="{-LINE + 2}">{escape(figure.up)}</text>',
        inner,
        f'<text class="weak" x="{WIDTH - 6}" y="{height + LINE - 6}" text-anchor="end">{escape(figure.across)}</text>',
    ]
    for place, (series, name) in enumerate(figure.legend.items()):
        y = height + LINE * (place + 1)
        parts += [
            f'<rect class="column {escape(series)}" x="{LEFT}" y="{y - 7}" width="8" height="8"/>',
            f'<text x="{LEFT + 13}" y="{y}">{escape(name)}</text>',
        ]
    below = height + LINE * (len(figure.legend) + 1)
    return document(figure.caption, below, "".join(parts), colours, top=3 * LINE)

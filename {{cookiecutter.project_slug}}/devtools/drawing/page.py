"""Self-contained HTML pages, without scripts or external files; light and dark, for phones and screens."""

import os
import platform
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from .charts import Figure, lettered
from .colours import series_style, variables
from .frames import MARKERS
from .tables import Table

STYLE = Path(__file__).with_name("page.css")
NUMBER = re.compile(r"[+-]?[\d,.]+( ?[%\w]{1,3})?|-|skipped|refused|")
"""Matches a table cell with a number; a column of such cells is aligned to the right."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a page, with a heading that the table of contents links to."""

    title: str
    parts: Iterable[str]
    alert: bool = False
    """Whether the heading and the table of contents mark the section as an alert, such as a failed test."""

    @property
    def anchor(self) -> str:
        """Return the section's anchor, the part of its address after `#`."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


def document(
    title: str, lead: Iterable[str], sections: Sequence[Section], *, series: Mapping[str, str], style: str = ""
) -> str:
    """Return a whole HTML page.

    Args:
        title: heading of the page.
        lead: HTML between the heading and the contents.
        sections: the sections of the page; more than one get a table of contents.
        series: the palette's colour of each series, by the series' CSS class.
        style: CSS that only this page needs.
    """
    css = f"{variables()}{STYLE.read_text('utf-8')}{series_style(series)}{style}"
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{css}</style></head><body><h1>{escape(title)}</h1>"
    )
    parts = (part for section in sections for part in _section(section))
    return "".join([head, *lead, *_contents(sections), *parts, "</body></html>\n"])


def _contents(sections: Sequence[Section]) -> Iterator[str]:
    if len(sections) > 1:
        yield '<nav aria-label="Contents"><ol>'
        for section in sections:
            yield f'<li{_alert(section.alert)}><a href="#{section.anchor}">{escape(section.title)}</a></li>'
        yield "</ol></nav>"


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{section.anchor}"><h2{_alert(section.alert)}>{escape(section.title)}</h2>'
    yield from section.parts
    yield "</section>"


def _alert(wanted: bool) -> str:
    return ' class="alert"' if wanted else ""


def table_html(content: Table, kind: str = "", *, alerts: Collection[str] = ()) -> Iterator[str]:
    """Yield the HTML of a table and its title; cells with a text in `alerts` are marked, numbers are aligned right."""
    right = [all(NUMBER.fullmatch(cell) for cell in column) for column in zip(*content.rows, strict=True)]
    yield f'<h3>{escape(content.title)}</h3><div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>'
    yield from (_cell("th", name, numeric, alert=False) for name, numeric in zip(content.header, right, strict=True))
    yield "</tr></thead><tbody>"
    for cells in content.rows:
        yield "<tr>"
        yield from (
            _cell("td", text, numeric, alert=text in alerts) for text, numeric in zip(cells, right, strict=True)
        )
        yield "</tr>"
    yield "</tbody></table></div>"


def _cell(tag: str, text: str, numeric: bool, *, alert: bool) -> str:
    kinds = [kind for kind, wanted in (("number", numeric), ("alert", alert)) if wanted]
    attribute = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<{tag}{attribute}>{escape(text)}</{tag}>"


def figure_html(figure: Figure) -> str:
    """Return the HTML of a chart; title, legend, axis labels and the list of marks are HTML text outside the SVG."""
    names = "".join(
        f"<span>{swatch(series, figure.markers.get(series))}{escape(name)}</span>"
        for series, name in figure.legend.items()
    )
    marks = "".join(f"<li>{letter}: {mark.time}, {escape(mark.text)}</li>" for letter, mark in lettered(figure.marks))
    parts = [
        f"<figure><figcaption{_alert(figure.alert)}>{escape(figure.caption)}</figcaption>",
        f'<div class="legend">{names}</div>' if names else "",
        f'<div class="axis-name">↑ {escape(figure.up)}</div>' if figure.up else "",
        figure.drawing,
        f'<div class="axis-name across">{escape(figure.across)} →</div>' if figure.across else "",
        f'<ul class="marks">{marks}</ul>' if marks else "",
        "</figure>",
    ]
    return "".join(parts)


def swatch(series: str, marker: str | None = None) -> str:
    """Return the legend's symbol of a series: its marker if given, or else a square, in its colour."""
    if marker is None:
        return f'<i class="swatch {escape(series)}"></i>'
    path = f'<path class="marker {marker} {escape(series)}" d="M5 5{MARKERS[marker]}"/>'
    return f'<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">{path}</svg>'


def paragraph(text: str, start: str = "") -> str:
    """Return an HTML paragraph: parts in backticks become code, and `start` comes first, in bold."""
    plain = escape(text).split("`")
    body = "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(plain))
    return f"<p>{f'<b>{escape(start)}</b> ' if start else ''}{body}</p>"


def machine() -> str:
    """Return a sentence about the machine and the versions with which the numbers of a page were measured."""
    return (
        f"{platform.system()} on {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%d %B %Y %H:%M} UTC."
    )

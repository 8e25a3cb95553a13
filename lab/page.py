"""Write the page: what to expect, what happened, and the pictures."""

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape

from benchmarks.shell import document, table

from lab.experiment import Experiment, Figure, Finding

TITLE = "The lab: what an event loop does, on this machine"

STYLE = """
:root { --own: #3f8f5b; --twice: #b08900 }
@media (prefers-color-scheme: dark) { :root { --own: #62b37f; --twice: #d6b13c } }
.async { --kind: var(--ours) } .blocking { --kind: var(--L5) } .pool { --kind: var(--other) }
.own { --kind: var(--own) } .twice { --kind: var(--twice) }
path:is(.async, .blocking, .pool, .own) { stroke: var(--kind); stroke-width: 2; fill: none }
:is(svg circle, svg rect):is(.async, .blocking, .pool, .own, .twice) { fill: var(--kind); fill-opacity: .85 }
.key { font-weight: normal } .key span { margin-right: 1.2em; white-space: nowrap }
.key i { display: inline-block; width: .8em; height: .8em; margin-right: .35em; border-radius: 50%;
  background: var(--kind) }
body { max-width: 54em } section { display: block } figure { margin: 1.4em 0 }
figcaption { font-weight: 600; color: var(--text); font-size: 15px }
article { border-top: 1px solid var(--rule); margin-top: 2.5em } article h2 ~ h2, section h2 { font-size: 15px }
th, td { vertical-align: top } td:last-child { white-space: normal }
"""


def page(done: Sequence[tuple[Experiment, Finding]]) -> str:
    """Return the page."""
    articles = (part for experiment, finding in done for part in _article(experiment, finding))
    return document(TITLE, STYLE, [f"<p>{escape(machine())}</p>", *articles])


def machine() -> str:
    """Say what the numbers depend on."""
    return (
        f"{platform.system()} on {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%d %B %Y}. The numbers are of one machine at one time; look at how they compare."
    )


def _article(experiment: Experiment, finding: Finding) -> Iterator[str]:
    yield f'<article id="{experiment.name}"><h2>{escape(experiment.title)}</h2>'
    yield f"<p><b>What to expect.</b> {_text(experiment.expect)}</p>"
    yield f"<p><b>What happened here.</b> {_text(finding.sentence)}</p><section>"
    yield from (_figure(figure) for figure in finding.figures)
    yield "</section>"
    yield from table(finding.table, "found")
    yield f"<p><b>If yours differ.</b> {_text(experiment.difference)}</p></article>"


def _figure(figure: Figure) -> str:
    keys = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for kind, name in figure.legend.items())
    key = f'<div class="key">{keys}</div>'
    return f"<figure><figcaption>{escape(figure.caption)}{key}</figcaption>{figure.drawing}</figure>"


def _text(text: str) -> str:
    """Escape a text and show what stands in backticks as code."""
    plain = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(plain))

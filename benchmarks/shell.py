"""The shell of a page that needs nothing else: no script, no address of another server."""

from collections.abc import Iterable, Iterator
from html import escape

from benchmarks.report import MISSED, Table

STYLE = """
:root { color-scheme: light dark; --text: #1f2933; --weak: #52606d; --back: #fff; --rule: #cbd2d9; --missed: #b42318;
  --L0: #a3adb8; --L1: #6b7785; --L5: #e07a5f; --ours: #2a7f9e; --other: #8e6bbf }
@media (prefers-color-scheme: dark) { :root { --text: #e4e7eb; --weak: #9aa5b1; --back: #14181d; --rule: #3e4c59;
  --missed: #ff8a80; --L0: #6b7785; --L1: #9aa5b1; --L5: #d9694d; --ours: #3a9dc0; --other: #a98bd6 } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 74em; padding: 0 1em;
  color: var(--text); background: var(--back) }
h2 { margin: 1.6em 0 .4em }
section { display: grid; grid-template-columns: repeat(auto-fit, minmax(20em, 1fr)); gap: .8em 1.5em }
figure { margin: 0 } figcaption { color: var(--weak); margin-bottom: .3em; font-size: 13px }
svg { width: 100%; height: auto; font-size: 13px } svg text { fill: var(--text) }
svg rect { fill: var(--other) } svg circle { fill: var(--text); fill-opacity: .55 }
.axis { stroke: var(--rule); fill: none } .fit { stroke: var(--ours); stroke-width: 2; fill: none }
.grid { stroke: var(--rule); stroke-opacity: .4; fill: none }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em .8em } dd { margin: 0 }
dt i { display: inline-block; width: .9em; height: .9em; margin-right: .4em; background: var(--other) }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25em .8em .25em 0; border-bottom: 1px solid var(--rule); white-space: nowrap }
.numbers :is(th, td):not(:nth-child(2)) { text-align: right }
.goals td:not(:last-child) { white-space: normal } .missed { color: var(--missed); font-weight: 600 }
"""


def document(title: str, style: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{style}</style><h1>{escape(title)}</h1>"
    )
    return "".join([head, *parts]) + "</html>\n"


def table(content: Table, kind: str) -> Iterator[str]:
    """Yield a table below its title."""
    yield f'<h2>{escape(content.title)}</h2><div class="scroll"><table class="{kind}"><tr>'
    yield from (f"<th>{escape(name)}</th>" for name in content.header)
    for cells in content.rows:
        yield "</tr><tr>"
        for cell in cells:
            mark = ' class="missed"' if cell == MISSED else ""
            yield f"<td{mark}>{escape(cell)}</td>"
    yield "</tr></table></div>"

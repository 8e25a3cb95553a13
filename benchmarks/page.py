"""Draw the results as one HTML page that needs nothing else: no script, no address of another server."""

from collections.abc import Iterator
from html import escape

from benchmarks import plots
from benchmarks.report import MISSED, Table, notes, tables
from benchmarks.results import Case, Results
from benchmarks.soak import sentence
from benchmarks.variants import VARIANTS

PLOTS = {
    "cpu": ("CPU per request, microseconds; less is better", "us"),
    "rate": ("answers per second; more is better", "/s"),
    "p99": ("p99, milliseconds; less is better", "ms"),
}
"""A figure for each: its caption, and the unit behind each number."""

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
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em .8em } dd { margin: 0 }
dt i { display: inline-block; width: .9em; height: .9em; margin-right: .4em; background: var(--other) }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25em .8em .25em 0; border-bottom: 1px solid var(--rule); white-space: nowrap }
.numbers :is(th, td):not(:nth-child(2)) { text-align: right }
.goals td:not(:last-child) { white-space: normal } .missed { color: var(--missed); font-weight: 600 }
"""


def page(results: Results) -> str:
    """Return the page."""
    goals, *numbers = tables(results)
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Bench</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}{''.join(_colour(variant.name) for variant in VARIANTS)}</style><h1>Bench</h1>",
        *_legend(results),
        *_table(goals, "goals"),
        *(part for case in results.cases for part in _case(results, case)),
        *_growth(results),
        *(part for table in numbers for part in _table(table, "numbers")),
    ]
    return "".join(parts) + "</html>\n"


def _colour(name: str) -> str:
    return (
        f"rect.{name} {{ fill: var(--{name}, var(--other)) }} i.{name} {{ background: var(--{name}, var(--other)) }} "
    )


def _legend(results: Results) -> Iterator[str]:
    yield "<dl>"
    for variant in VARIANTS:
        yield f'<dt><i class="{escape(variant.name)}"></i>{escape(variant.name)}</dt><dd>{escape(variant.label)}</dd>'
    yield "</dl><p>A bar is the median of the rounds, each dot is a round. "
    yield ". ".join(escape(note[0].upper() + note[1:]) for note in list(notes(results))[len(VARIANTS) :])
    yield ".</p>"


def _case(results: Results, case: Case) -> Iterator[str]:
    yield f"<h2>{escape(case.workload)}, {case.connections} clients</h2><section>"
    for value, (caption, unit) in PLOTS.items():
        drawn = plots.bars(results, case, value, unit)
        yield f"<figure><figcaption>{escape(caption)}</figcaption>{drawn}</figure>"
    yield "</section>"


def _growth(results: Results) -> Iterator[str]:
    if results.growth is not None:
        yield f"<h2>memory over requests</h2><figure><figcaption>{escape(sentence(results.growth))}</figcaption>"
        yield f"{plots.line(results.growth)}</figure>"


def _table(table: Table, kind: str) -> Iterator[str]:
    yield f'<h2>{escape(table.title)}</h2><div class="scroll"><table class="{kind}"><tr>'
    yield from (f"<th>{escape(name)}</th>" for name in table.header)
    for cells in table.rows:
        yield "</tr><tr>"
        for cell in cells:
            mark = ' class="missed"' if cell == MISSED else ""
            yield f"<td{mark}>{escape(cell)}</td>"
    yield "</tr></table></div>"

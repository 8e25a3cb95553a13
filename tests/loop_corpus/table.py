"""The table of the corpus in docs/never-block.md: written by `python -m tests.loop_corpus`, compared by a test."""

import re
from collections.abc import Iterator

from tests.loop_corpus.catalogue import Name, members
from tests.loop_corpus.gates import BEFORE_RUN_TIME, GATES, STATIC, Found
from tests.repository import ROOT

DOCUMENT = ROOT / "docs" / "never-block.md"
BEGIN, END = "<!-- corpus: begin -->\n", "<!-- corpus: end -->"
YES = "yes"


def caught(found: Found, gates: tuple[str, ...], kind: str) -> set[Name]:
    """Return the members of a kind that at least one of these gates notices."""
    return {member.name for member in members(kind)} & set().union(*(found[gate] for gate in gates))


def share(found: Found, gates: tuple[str, ...]) -> float:
    """Return the share of the cases that at least one of these gates notices."""
    return len(caught(found, gates, "cases")) / len(members("cases"))


def draw(found: Found) -> str:
    """Return the section: a line for each gate, then one for each case."""
    return "\n".join([*_totals(found), "", *_cases(found)]) + "\n"


def _totals(found: Found) -> Iterator[str]:
    total, twins = len(members("cases")), len(members("twins"))
    yield f"| gates | of {total} cases | of {twins} correct twins |\n|---|---|---|"
    sets = {name: (name,) for name in GATES} | {
        "at the keyboard: ruff, hydroid": STATIC,
        "before run time: these and tests": BEFORE_RUN_TIME,
        "all": tuple(GATES),
    }
    for title, gates in sets.items():
        cases = len(caught(found, gates, "cases"))
        yield f"| {title} | {cases} ({cases / total:.0%}) | {len(caught(found, gates, 'twins'))} |"


def _cases(found: Found) -> Iterator[str]:
    yield f"| family | case | {' | '.join(GATES)} |\n|---|---|{'---|' * len(GATES)}"
    for member in members("cases"):
        cells = " | ".join(YES if member.name in found[gate] else "" for gate in GATES)
        yield f"| {member.name[0].partition('/')[2]} | {member.title} | {cells} |"


def written() -> dict[tuple[str, str], dict[str, bool]]:
    """Return the lines of the document for each case: which gate notices it."""
    section = DOCUMENT.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [re.split(r" ?\| ?", line.strip("|\n")) for line in section.splitlines()]
    return {
        (cells[0].strip(), cells[1]): {gate: cell.strip() == YES for gate, cell in zip(GATES, cells[2:], strict=True)}
        for cells in rows
        if len(cells) == 2 + len(GATES) and cells[0].strip() not in {"family", "---"}
    }


def measured(found: Found) -> dict[tuple[str, str], dict[str, bool]]:
    """Return the same from a measurement."""
    return {
        (member.name[0].partition("/")[2], member.title): {gate: member.name in found[gate] for gate in GATES}
        for member in members("cases")
    }


def write(found: Found) -> None:
    """Put the table into the document."""
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(before + BEGIN + draw(found) + END + after, "utf-8")

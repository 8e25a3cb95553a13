"""The table of the corpus in docs/never-block.md: `python -m tests.loop_corpus` writes the table; a test compares."""

import re
from collections.abc import Iterator

from tests.loop_corpus.catalogue import Name, members
from tests.loop_corpus.checks import BEFORE_RUN_TIME, CHECKS, STATIC, Found
from tests.repository import ROOT

DOCUMENT = ROOT / "docs" / "never-block.md"
BEGIN, END = "<!-- corpus: begin -->\n", "<!-- corpus: end -->"
YES = "yes"


def caught(found: Found, checks: tuple[str, ...], kind: str) -> set[Name]:
    """Return the cases or twins that at least one of the given checks has found."""
    return {member.name for member in members(kind)} & set().union(*(found[check] for check in checks))


def caught_ratio(found: Found, checks: tuple[str, ...]) -> float:
    """Return the ratio of cases that at least one of the given checks has found."""
    return len(caught(found, checks, "cases")) / len(members("cases"))


def draw(found: Found) -> str:
    """Return the table of the corpus as Markdown: a line for each check, then a line for each case."""
    return "\n".join([*_totals(found), "", "## Every case", "", *_cases(found)]) + "\n"


def _totals(found: Found) -> Iterator[str]:
    total, twins = len(members("cases")), len(members("twins"))
    yield f"| checks | of {total} cases | of {twins} correct twins |\n|---|---|---|"
    sets = {name: (name,) for name in CHECKS} | {
        "at the keyboard: ruff, hydroid": STATIC,
        "before run time: these and tests": BEFORE_RUN_TIME,
        "all": tuple(CHECKS),
    }
    for title, checks in sets.items():
        cases = len(caught(found, checks, "cases"))
        yield f"| {title} | {cases} ({cases / total:.0%}) | {len(caught(found, checks, 'twins'))} |"


def _cases(found: Found) -> Iterator[str]:
    yield f"| topic | case | {' | '.join(CHECKS)} |\n|---|---|{'---|' * len(CHECKS)}"
    for member in members("cases"):
        cells = " | ".join(YES if member.name in found[check] else "" for check in CHECKS)
        yield f"| {member.name[0].partition('/')[2]} | {member.title} | {cells} |"


def written() -> dict[tuple[str, str], dict[str, bool]]:
    """Return, for each case, which checks find the case according to the document."""
    section = DOCUMENT.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [re.split(r" ?\| ?", line.strip("|\n")) for line in section.splitlines()]
    return {
        (cells[0].strip(), cells[1]): {
            check: cell.strip() == YES for check, cell in zip(CHECKS, cells[2:], strict=True)
        }
        for cells in rows
        if len(cells) == 2 + len(CHECKS) and cells[0].strip() not in {"topic", "---"}
    }


def measured(found: Found) -> dict[tuple[str, str], dict[str, bool]]:
    """Return, for each case, which checks have found the case in the measurement."""
    return {
        (member.name[0].partition("/")[2], member.title): {check: member.name in found[check] for check in CHECKS}
        for member in members("cases")
    }


def write(found: Found) -> None:
    """Write the table of the corpus into the document."""
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(before + BEGIN + draw(found) + END + after, "utf-8")

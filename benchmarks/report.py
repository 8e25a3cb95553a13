"""The report of a comparison: the results as tables, and the tables as Markdown; `page.py` draws the same tables."""

from collections.abc import Iterator, Sequence

from benchmarks.goals import judge
from benchmarks.load_rounds import FOREIGN_SHARE
from benchmarks.results import Case, Results
from benchmarks.variants import BARE, RAW, TEXTBOOK, VARIANTS
from drawing.tables import Table, markdown_lines

COLUMNS = (
    *("clients", "program", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU us", "SQL", "MB"),
    *("CPU / floor", f"CPU / {TEXTBOOK}", f"rate / {TEXTBOOK}"),
)

TITLE = "Benchmarks of a generated service"
REACHED, MISSED = "reached", "MISSED"


def markdown(results: Results) -> str:
    """Return the whole report as Markdown."""
    lines = [f"# {TITLE}", "", *(f"- {note}" for note in (*programs(), *notes(results)))]
    for table in tables(results):
        lines += ["", f"## {table.title}", "", *markdown_lines(table)]
    return "\n".join(lines) + "\n"


def programs() -> Iterator[str]:
    """Yield a line about each compared program: name and description."""
    yield from (f"{variant.name}: {variant.label}" for variant in VARIANTS)


def notes(results: Results) -> Iterator[str]:
    """Yield the sentences that explain the report's tables."""
    disturbed = sum(run.disturbed for run in results.runs)
    yield (
        f"{len(results.runs)} runs; in {disturbed} of them other programs took more than {FOREIGN_SHARE:.0%} of the "
        "machine"
    )
    failed = {name: sum(run.load.failed for run in results.runs if run.variant == name) for name in results.memory}
    counts = ", ".join(f"{name} {count}" for name, count in failed.items() if count)
    yield f"answers with an error status: {counts or 'none'}"
    yield "medians of rounds; a ratio is the median of the rounds' ratios"
    yield f"the floor is {RAW}, without a database {BARE}"
    yield "CPU is the server's, in microseconds a request; SQL counts statements; MB is resident, of the largest worker"


def tables(results: Results) -> Iterator[Table]:
    """Yield the table of goals, then a table of figures for each workload."""
    verdicts = [(item.goal, REACHED if item.reached else MISSED, item.found) for item in judge(results)]
    yield Table("Goals", ("goal", "verdict", "found"), verdicts)
    for workload in dict.fromkeys(case.workload for case in results.cases):
        cases = [case for case in results.cases if case.workload == workload]
        rows = [_cells(results, case, variant) for case in cases for variant in results.variants(case)]
        yield Table(workload, COLUMNS, rows)


def _cells(results: Results, case: Case, variant: str) -> Sequence[str]:
    def found(value: str) -> float:
        return results.middle(case, variant, value)

    def ratio(value: str, base: str) -> str:
        number = results.ratio(case, variant, base, value)
        return "" if number is None else f"{number:.2f}"

    return [
        str(case.connections),
        variant,
        f"{found('rate'):,.0f}",
        *(f"{found(value):.1f}" for value in ("p50", "p99", "p99.9")),
        f"{found('cpu'):,.0f}",
        str(results.statements.get((case.workload, variant), "")),
        f"{results.memory[variant].megabytes:.0f}",
        ratio("cpu", RAW) or ratio("cpu", BARE),
        ratio("cpu", TEXTBOOK),
        ratio("rate", TEXTBOOK),
    ]

"""Write the results as Markdown."""

from collections.abc import Iterator

from benchmarks.goals import judge
from benchmarks.measure import FOREIGN_SHARE
from benchmarks.results import Case, Results
from benchmarks.variants import BARE, RAW, TEXTBOOK, VARIANTS

COLUMNS = (
    *("clients", "program", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU us", "SQL", "MB"),
    *("CPU / floor", f"CPU / {TEXTBOOK}", f"rate / {TEXTBOOK}"),
)


def markdown(results: Results) -> str:
    """Return the whole report."""
    return "\n".join([*_head(results), *_goals(results), *_tables(results)]) + "\n"


def _head(results: Results) -> Iterator[str]:
    disturbed = sum(run.disturbed for run in results.runs)
    yield "# Bench"
    yield ""
    yield from (f"- {variant.name}: {variant.label}" for variant in VARIANTS)
    yield f"- {len(results.runs)} runs; {disturbed} with more than {FOREIGN_SHARE:.0%} of the machine taken by others"
    yield "- medians of rounds; a ratio is the median of the rounds' ratios"
    yield f"- the floor is {RAW}, without a database {BARE}"


def _goals(results: Results) -> Iterator[str]:
    yield from ("", "## Goals", "", "| goal | found | |", "|---|---|---|")
    for verdict in judge(results):
        yield f"| {verdict.goal} | {verdict.found} | {'reached' if verdict.reached else 'MISSED'} |"


def _tables(results: Results) -> Iterator[str]:
    for workload in dict.fromkeys(case.workload for case in results.cases):
        yield from ("", f"## {workload}", "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|")
        for case in results.cases:
            if case.workload == workload:
                yield from (_row(results, case, variant) for variant in results.variants(case))


def _row(results: Results, case: Case, variant: str) -> str:
    def found(value: str) -> float:
        return results.middle(case, variant, value)

    def ratio(value: str, base: str) -> str:
        number = results.ratio(case, variant, base, value)
        return "" if number is None else f"{number:.2f}"

    cells = [
        str(case.connections),
        variant,
        f"{found('rate'):,.0f}",
        *(f"{found(value):.1f}" for value in ("p50", "p99", "p99.9")),
        f"{found('cpu'):,.0f}",
        str(results.statements.get((case.workload, variant), "")),
        f"{results.memory[variant]:.0f}",
        ratio("cpu", RAW) or ratio("cpu", BARE),
        ratio("cpu", TEXTBOOK),
        ratio("rate", TEXTBOOK),
    ]
    return f"| {' | '.join(cells)} |"

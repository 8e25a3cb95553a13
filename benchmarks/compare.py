"""Measure all programs against each other and write the report and the page."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import answers, inside, page, report, soak, startup, statements, template
from benchmarks.build import BUILD
from benchmarks.measure import Run, Sitting
from benchmarks.results import Results, Times
from benchmarks.servers import Database, all_serving, database
from benchmarks.variants import VARIANTS, Variant
from benchmarks.workloads import WORKLOADS, Workload

LOGS = BUILD / "logs"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    seconds: float
    repeats: int


QUICK = Size(rounds=3, seconds=1, repeats=20)
FULL = Size(rounds=5, seconds=4, repeats=60)


def run(*, quick: bool, rounds: int | None, only: Sequence[str] | None) -> Results:
    """Measure, print the table, and return what was found."""
    workloads = [workload for workload in WORKLOADS if not only or workload.name in only]
    taking_part = {variant.name for workload in workloads for variant in workload.variants}
    variants = tuple(variant for variant in VARIANTS if variant.name in taking_part)
    size = QUICK if quick else FULL
    with database(LOGS) as postgres:
        counted = count_statements(postgres, variants, workloads)
        times = time_the_rest(postgres.urls["measured"])
        with all_serving(variants, postgres.urls["measured"], LOGS) as servers:
            sitting = Sitting(servers, postgres, rounds or size.rounds, size.seconds, size.repeats)
            runs = take(sitting, workloads)
            memory = sitting.memory(workloads)
        growth = None if quick or only else soak.grow(postgres.urls["measured"])
    results = Results(runs, counted, memory, times, growth)
    write(results)
    return results


def time_the_rest(database_url: str) -> Times:
    """Time what needs no load."""
    print("timing cookiecutter, the start, and a hundred requests that wait", flush=True)
    waiting = inside.measure("bench.waiting", database_url=database_url, logs=LOGS)
    return Times(startup.start_seconds(database_url), template.render_seconds(), waiting)


def count_statements(
    postgres: Database, variants: tuple[Variant, ...], workloads: Sequence[Workload]
) -> dict[tuple[str, str], int]:
    """Check that all answer the same, and count the statements of each, in a database whose statements are logged."""
    print("comparing the answers and counting the statements", flush=True)
    with all_serving(variants, postgres.urls["counted"], LOGS) as servers:
        for workload in workloads:
            answers.check(servers, workload)
        return {
            (workload.name, variant.name): len(statements.count(servers[variant.name], workload, postgres.log))
            for workload in workloads
            for variant in workload.variants
        }


def take(sitting: Sitting, workloads: Sequence[Workload]) -> list[Run]:
    """Measure, with a line for each run."""
    total = sitting.rounds * sum(len(item.variants) * len(item.connections) for item in workloads)
    print(f"warming up, then {total} runs of {sitting.seconds:g} s", flush=True)
    sitting.warm_up(workloads)
    started = time.monotonic()
    runs: list[Run] = []
    for done in sitting.measure(workloads):
        runs.append(done)
        left = (time.monotonic() - started) / len(runs) * (total - len(runs))
        note = f", disturbed: others took {done.foreign:.0%}" if done.disturbed else ""
        print(
            f"[{len(runs)}/{total}, {left:.0f} s left] {done.workload}, {done.connections} clients, {done.variant}: "
            f"{done.load.rate:,.0f}/s, {done.cpu:.0f} us{note}",
            flush=True,
        )
    return runs


def write(results: Results) -> None:
    """Write both files, and print the table."""
    text = report.markdown(results)
    (BUILD / "report.md").write_text(text, "utf-8")
    (BUILD / "report.html").write_text(page.page(results), "utf-8")
    print(f"\n{text}\nThe same with plots: {BUILD / 'report.html'}")

"""The command `compare`: loads the service and the baselines in turn, and writes a report in Markdown and HTML."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import (
    cold_starts,
    equal_answers,
    in_process,
    observed_costs,
    page,
    render_time,
    report,
    soak_test,
    sql_statements,
    startup_time,
)
from benchmarks.build import BUILD
from benchmarks.load_rounds import LoadRounds, Run
from benchmarks.results import Results, Times
from benchmarks.servers import Database, all_serving, database
from benchmarks.variants import VARIANTS, Variant
from benchmarks.workloads import WORKLOADS, Workload

LOGS = BUILD / "logs"


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a comparison: rounds, seconds of each run, how many runs may be repeated, and cold starts."""

    rounds: int
    seconds: float
    repeats: int
    cold_starts: int


QUICK = Size(rounds=3, seconds=1, repeats=20, cold_starts=2)
FULL = Size(rounds=5, seconds=4, repeats=60, cold_starts=20)


def run(*, quick: bool, rounds: int | None, only: Sequence[str] | None) -> Results:
    """Measure the service and the baselines under load, write the report, and return the results."""
    workloads = [workload for workload in WORKLOADS if not only or workload.name in only]
    taking_part = {variant.name for workload in workloads for variant in workload.variants}
    variants = tuple(variant for variant in VARIANTS if variant.name in taking_part)
    size = QUICK if quick else FULL
    with database(LOGS) as postgres:
        counted = count_statements(postgres, variants, workloads)
        times = time_without_load(postgres.urls["measured"])
        observed = observed_costs.measure(postgres.urls["measured"], rounds or size.rounds * 4)
        cold = cold_starts.measure(postgres.urls["measured"], size.cold_starts)
        with all_serving(variants, postgres.urls["measured"], LOGS) as servers:
            load_rounds = LoadRounds(servers, postgres, rounds or size.rounds, size.seconds, size.repeats)
            runs = collect(load_rounds, workloads)
            memory = load_rounds.memory(workloads)
        growth = None if quick or only else soak_test.measure_growth(postgres.urls["measured"])
    results = Results(runs, counted, memory, times, cold, growth)
    write(results, observed)
    return results


def time_without_load(database_url: str) -> Times:
    """Measure what needs no load: the service's start-up, the template's rendering, and requests that only wait."""
    print("timing cookiecutter, the start, and a hundred requests that wait", flush=True)
    waiting = in_process.run("measurements.concurrent_waits", database_url=database_url, logs=LOGS)
    return Times(startup_time.measure(database_url), render_time.render_seconds(), waiting)


def count_statements(
    postgres: Database, variants: tuple[Variant, ...], workloads: Sequence[Workload]
) -> dict[tuple[str, str], int]:
    """Check that service and baselines answer alike, and count the SQL statements of each program for each workload."""
    print("comparing the answers and counting the statements", flush=True)
    with all_serving(variants, postgres.urls["counted"], LOGS) as servers:
        for workload in workloads:
            equal_answers.check(servers, workload)
        return {
            (workload.name, variant.name): len(sql_statements.count(servers[variant.name], workload, postgres.log))
            for workload in workloads
            for variant in workload.variants
        }


def collect(load_rounds: LoadRounds, workloads: Sequence[Workload]) -> list[Run]:
    """Run all rounds of load, print a line for each run, and return the runs."""
    total = load_rounds.rounds * sum(len(item.variants) * len(item.connections) for item in workloads)
    print(f"warming up, then {total} runs of {load_rounds.seconds:g} s", flush=True)
    load_rounds.warm_up(workloads)
    started = time.monotonic()
    runs: list[Run] = []
    for done in load_rounds.measure(workloads):
        runs.append(done)
        left = (time.monotonic() - started) / len(runs) * (total - len(runs))
        note = f", disturbed: other programs took {done.foreign:.0%} of the CPUs" if done.disturbed else ""
        print(
            f"[{len(runs)}/{total}, {left:.0f} s left] {done.workload}, {done.connections} clients, {done.variant}: "
            f"{done.load.rate:,.0f}/s, {done.cpu:.0f} us{note}",
            flush=True,
        )
    return runs


def write(results: Results, observed: str) -> None:
    """Write the report of a comparison into a Markdown file and an HTML page, and print the Markdown."""
    text = f"{report.markdown(results)}\n## What is observed of a request\n\n{observed}\n"
    (BUILD / "report.md").write_text(text, "utf-8")
    (BUILD / "report.html").write_text(page.page(results), "utf-8")
    print(f"\n{text}\nThe same with plots: {BUILD / 'report.html'}")

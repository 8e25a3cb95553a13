"""The printed phases of a test run: each second counts for one phase, and xdist's workers are included."""

from time import perf_counter, sleep
from types import SimpleNamespace
from typing import cast

import execnet
import pytest

from tests.phases import Figures, PhaseReport, describe, phase


def test_a_phase_inside_a_phase_is_counted_once() -> None:
    figures: Figures = {}
    started = perf_counter()
    for _ in range(2):
        with phase("tests", figures), phase("clones", figures):
            sleep(0.05)
    elapsed = perf_counter() - started

    assert figures["clones"][0] >= 0.1
    assert figures["clones"][0] + figures["tests"][0] <= elapsed
    assert [times for _seconds, times in figures.values()] == [2, 2]


def test_a_phase_that_fails_is_counted() -> None:
    figures: Figures = {}
    with pytest.raises(OSError, match="no server"), phase("cluster", figures):
        raise OSError("no server")

    assert figures["cluster"][1] == 1


def test_the_line_shows_the_phases_in_order() -> None:
    figures = {"tests": (18.24, 94), "clones": (0.31, 14), "cluster": (0.9, 1)}

    assert describe([figures]) == "phases: cluster 0.9 s, clones 0.3 s (14), tests 18.2 s (94)"


def test_the_line_shows_the_busiest_of_several_workers() -> None:
    workers: list[Figures] = [{"cluster": (1.0, 1), "tests": (2.0, 9)}, {"cluster": (0.5, 1), "tests": (4.0, 7)}, {}]

    assert describe(workers) == "phases of the busiest of 3 workers: cluster 0.5 s, tests 4.0 s (7)"


def printed_by(report: PhaseReport) -> list[str]:
    lines: list[str] = []
    report.pytest_terminal_summary(cast("pytest.TerminalReporter", SimpleNamespace(write_line=lines.append)))
    return lines


def test_figures_of_workers_reach_the_line() -> None:
    """The phases of an xdist worker reach the main process: execnet serializes `workeroutput`, as in a real run."""
    output: dict[str, object] = {}
    worker = PhaseReport({"cluster": (0.5, 1), "tests": (4.0, 7)})
    worker.pytest_sessionfinish(cast("pytest.Session", SimpleNamespace(config=SimpleNamespace(workeroutput=output))))
    printer = PhaseReport({})
    printer.pytest_testnodedown(SimpleNamespace(workeroutput=execnet.loads(execnet.dumps(output))))
    printer.pytest_testnodedown(SimpleNamespace())  # a crashed worker has no `workeroutput`

    assert printed_by(printer) == ["phases of the busiest of 2 workers: cluster 0.5 s, tests 4.0 s (7)"]


def test_a_run_without_workers_prints_the_phases_of_its_process() -> None:
    assert printed_by(PhaseReport({"tests": (4.0, 1)})) == ["phases: tests 4.0 s"]


def test_a_run_without_tests_prints_nothing() -> None:
    assert printed_by(PhaseReport({})) == []

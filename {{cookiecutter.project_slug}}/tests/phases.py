"""Phases of a test run: pytest's last lines show the seconds of server start, migration, clones, drops and tests.

Each process measures its own phases, and xdist's workers send their figures to the process that prints. The line shows
the busiest worker: its phases add up to the run's time, without the start of Python and pytest. A sum over all workers
would count a shared wait, such as the server's start, several times.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import perf_counter

import pytest

NAMES = ("cluster", "migration", "clones", "drops", "tests")
"""The phases of a test run in printed order: start PostgreSQL, migrate the template, clone and drop databases, test."""

Figures = dict[str, tuple[float, int]]
"""The type of measured phases: seconds and number of runs, by the name of the phase."""

MEASURED: Figures = {}
"""The phases that this process has measured so far."""


@contextmanager
def phase(name: str, figures: Figures = MEASURED) -> Iterator[None]:
    """Add the duration of the `with` block, without nested phases, to a phase of the test run."""
    started, counted = perf_counter(), total(figures)
    try:
        yield
    finally:
        inside = total(figures) - counted
        seconds, times = figures.get(name, (0.0, 0))
        figures[name] = (seconds + perf_counter() - started - inside, times + 1)


def total(figures: Figures) -> float:
    """Return the total seconds of a process over all phases."""
    return sum(seconds for seconds, _times in figures.values())


def describe(processes: list[Figures]) -> str:
    """Return the line that shows the phases of the busiest process, with each phase's number of runs in parentheses."""
    busiest = max(processes, key=total)
    of_workers = f" of the busiest of {len(processes)} workers" if len(processes) > 1 else ""
    rows = [(name, *busiest[name]) for name in NAMES if name in busiest]
    parts = [f"{name} {seconds:.1f} s" + (f" ({times})" if times > 1 else "") for name, seconds, times in rows]
    return f"phases{of_workers}: {', '.join(parts)}"


class PhaseReport:
    """A pytest plugin that measures tests, collects the phases of xdist's workers, and prints the line of phases."""

    def __init__(self, measured: Figures = MEASURED) -> None:
        self.measured = measured
        self.of_workers: list[Figures] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Add the duration of a test with its fixtures to the phase `tests`, without parts that are other phases."""
        with phase("tests", self.measured):
            return (yield)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In an xdist worker, put the measured phases into `workeroutput`, which xdist sends to the main process."""
        output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["phases"] = self.measured

    @pytest.hookimpl(optionalhook=True)  # optional, since xdist, whose hook this is, may be turned off
    def pytest_testnodedown(self, node: object) -> None:
        """Collect the phases that an xdist worker measured; a crashed worker has sent none."""
        output: dict[str, Figures] = getattr(node, "workeroutput", {})
        self.of_workers.append(output.get("phases", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the line of phases at the end of the test run, unless no phase ran."""
        processes = self.of_workers or [self.measured]
        if any(processes):
            terminalreporter.write_line(describe(processes))

"""Where the time of a test run goes: a line at its end with the seconds of each phase.

Every process measures for itself, and xdist's workers hand their figures to the one that prints. It shows the busiest
worker's: they add up to the time of the run, less the start of Python and pytest. Sums over the workers would count one
wait, as for the server, several times.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import perf_counter

import pytest

NAMES = ("cluster", "migration", "clones", "drops", "tests")
"""In the order of the line: start the server, migrate the template, make and drop databases from it, the rest."""

Figures = dict[str, tuple[float, int]]
"""For each phase, its seconds and how often it was there."""

MEASURED: Figures = {}
"""Of this process."""


@contextmanager
def phase(name: str, figures: Figures = MEASURED) -> Iterator[None]:
    """Add the time of the block to a phase. What a phase inside the block takes counts for that one alone."""
    started, counted = perf_counter(), total(figures)
    try:
        yield
    finally:
        inside = total(figures) - counted
        seconds, times = figures.get(name, (0.0, 0))
        figures[name] = (seconds + perf_counter() - started - inside, times + 1)


def total(figures: Figures) -> float:
    """Return the seconds of all phases."""
    return sum(seconds for seconds, _times in figures.values())


def describe(processes: list[Figures]) -> str:
    """Return the line about these processes; how often a phase was there follows in parentheses."""
    busiest = max(processes, key=total)
    whose = f" of the busiest of {len(processes)} workers" if len(processes) > 1 else ""
    rows = [(name, *busiest[name]) for name in NAMES if name in busiest]
    parts = [f"{name} {seconds:.1f} s" + (f" ({times})" if times > 1 else "") for name, seconds, times in rows]
    return f"phases{whose}: {', '.join(parts)}"


class PhaseReport:
    """The plugin: measures the tests, carries the figures from the workers, prints the line."""

    def __init__(self, measured: Figures = MEASURED) -> None:
        self.measured = measured
        self.of_workers: list[Figures] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Count a test with its fixtures; their phases are taken out."""
        with phase("tests", self.measured):
            return (yield)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In a worker, leave the figures where xdist takes them along."""
        output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["phases"] = self.measured

    @pytest.hookimpl(optionalhook=True)  # of xdist
    def pytest_testnodedown(self, node: object) -> None:
        """Take the figures of a worker; one that crashed left none."""
        output: dict[str, Figures] = getattr(node, "workeroutput", {})
        self.of_workers.append(output.get("phases", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the line, unless nothing ran."""
        processes = self.of_workers or [self.measured]
        if any(processes):
            terminalreporter.write_line(describe(processes))

"""Prints at the end of a test run how many seconds each phase took, the longest first.

A phase is a test file. `.ci/run` passes its own phases on in the variable PHASES, since nothing may be printed after
pytest's summary. Test files run in three parallel lanes, so the sum of the phases is more than the run's time.
"""

import os
from collections import defaultdict

import pytest

LEAST_SECONDS = 2
"""The duration in seconds below which a phase is not printed."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line with the seconds of each phase of the test run."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    longest = sorted(seconds.items(), key=lambda item: -item[1])
    phases = [f"{name} {spent:.0f} s" for name, spent in longest if spent >= LEAST_SECONDS]
    if before := os.environ.get("PHASES"):
        phases.insert(0, before)
    if phases:
        terminalreporter.write_line(f"phases: {', '.join(phases)}")

"""Where the time of a run went: a line at its end with the seconds of each phase, the longest first.

A phase is a file of tests. `.ci/run` hands its own phases down in the variable PHASES, since nothing may be printed
after pytest's summary. The files of tests run in two lanes, side by side, so that their sum is more than the run took.
"""

import os
from collections import defaultdict

import pytest

LEAST_SECONDS = 2
"""A shorter phase is not named."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the line."""
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

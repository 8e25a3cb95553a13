"""Skips tests that need a program which this machine lacks, and lists these programs at the end of the run.

`tests/programs.py` of a generated service explains the marker `needs_program` and REQUIRE_PROGRAMS. The closing line
also counts the tests that were skipped in the suites of generated services.
"""

import os
import re
import shutil
from collections import Counter

import pytest

MISSING = " is not installed. To get it: "
LINE = "skipped without these programs: "
INSIDE = "skipped inside"
"""The name under which a test that ran a service's suite records that suite's closing line about skipped tests."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose mark names a missing program, before fixtures start; with REQUIRE_PROGRAMS=1, fail the test."""
    for marker in item.iter_markers("needs_program"):
        name, how_to_get = marker.args
        if shutil.which(name) is None and os.environ.get("REQUIRE_PROGRAMS") == "1":
            pytest.fail(f"{name}{MISSING}{how_to_get}", pytrace=False)
        if shutil.which(name) is None:
            pytest.skip(f"{name}{MISSING}{how_to_get}")


def skipped_inside(output: str) -> str:
    """Return the line about missing programs that a service's suite printed, or an empty text."""
    return next((line for line in output.splitlines() if line.startswith(LINE)), "")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line with the missing programs, how to get each, and the number of skipped tests."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if MISSING in reason:
            counts[f"{reason.replace(MISSING, ' (')})"] += 1
    for report in terminalreporter.stats.get("passed", ()):
        for name, line in report.user_properties:
            if name == INSIDE:
                counts.update({what: int(count) for what, count in re.findall(r"(\w\S* \(.+?\)): (\d+) tests", line)})
    if counts:
        parts = [f"{what}: {count} tests" for what, count in sorted(counts.items())]
        terminalreporter.write_line(f"{LINE}{'; '.join(parts)}")

"""External programs of tests: a missing program skips its tests, and a closing line of pytest names the program.

Every machine has Python, git, make and a C library. A test that needs a further program has the marker `needs_program`
with the program's name and the way to get it. With the environment variable REQUIRE_PROGRAMS=1, which CI sets after
installing the programs, a missing program fails the test instead of skipping it.
"""

import os
import shutil
import signal
import sys
from collections import Counter

import pytest

SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
"""PATH with the `sbin` folders added, where Debian installs servers; an ordinary user's PATH lacks these folders."""

MISSING = " is not installed. To get it: "


def find(name: str) -> str | None:
    """Return the path of an installed program, or None for a missing program."""
    return shutil.which(name, path=SEARCH_PATH)


def add_to(config: pytest.Config) -> None:
    """Register this module's pytest hooks, which skip tests whose program is missing."""
    module = sys.modules[__name__]
    # registers once, as the tests of app/ and of devtools/ both call this function
    if not config.pluginmanager.is_registered(module):
        config.pluginmanager.register(module)


def pytest_configure() -> None:
    """Restore Python's handler of SIGINT, so that programs started by tests can be interrupted.

    A shell's `&` and some CI runners start the tests with SIGINT ignored. Each started program would inherit this, and
    a test that interrupts the program would wait forever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or with REQUIRE_PROGRAMS=1 fail, a test whose `needs_program` mark names a missing program.

    The check runs before the fixtures of the test start any process.
    """
    for marker in item.iter_markers("needs_program"):
        name, how_to_get = marker.args
        if find(name) is None and os.environ.get("REQUIRE_PROGRAMS") == "1":
            pytest.fail(f"{name}{MISSING}{how_to_get}", pytrace=False)
        if find(name) is None:
            pytest.skip(f"{name}{MISSING}{how_to_get}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line with the missing programs and the number of tests skipped for each."""
    reasons = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ())]
    counts = Counter(reason.removeprefix("Skipped: ") for reason in reasons if MISSING in reason)
    if counts:
        parts = [f"{reason.replace(MISSING, ' (')}): {count} tests" for reason, count in sorted(counts.items())]
        terminalreporter.write_line(f"skipped without these programs: {'; '.join(parts)}")

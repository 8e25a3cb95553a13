"""The three lanes of a test run: timed tests of running services, walks through whole guides, and all other tests.

Each lane has one worker of pytest-xdist. The timed lane mostly waits; meanwhile the installs, renders, linters and type
checks of the two other lanes use the CPUs, with lower priority. With `-n0`, all tests run one after another.
"""

import os

import pytest
from xdist.scheduler import LoadScopeScheduling

LANES = {
    "timed": {
        *("test_benchmarks.py", "test_boot.py", "test_demo.py", "test_generated_suites.py", "test_lab.py"),
        *("test_loop_corpus.py", "test_recipes.py"),
    },
    "walks": {
        *("test_ci_files.py", "test_console.py", "test_guide.py", "test_patterns.py", "test_removal.py"),
        *("test_scaffold.py", "test_switches.py", "test_updates.py", "test_working.py"),
    },
}
"""The test files of each lane.

Walks follow a guide, a recipe or an update to its end. All files that are not listed are in the third lane. The lanes
take about the same time, which keeps the whole run short.
"""

OTHER = "other"

NICE = {"walks": 5, OTHER: 10}
"""The nice values of the lanes with lower priority: every test has to pass beside programs that are as busy."""


def lane_of(node_id: str) -> str:
    """Return the name of the lane in which a test runs."""
    file = node_id.partition("::")[0].rpartition("/")[2]
    return next((lane for lane, files in LANES.items() if file in files), OTHER)


class Lanes(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """The scheduler for pytest-xdist that assigns each lane of tests to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid)


@pytest.hookimpl(optionalhook=True)  # xdist calls this hook by its name
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Lanes:
    """Return the scheduler that divides the tests among workers by lane."""
    return Lanes(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lower the priority of the process that runs a lane; a process cannot raise the priority again."""
    nice = NICE.get(lane_of(item.nodeid), 0)
    if hasattr(item.config, "workerinput") and os.nice(0) < nice:
        os.nice(nice - os.nice(0))

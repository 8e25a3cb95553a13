"""The three lanes of a test run: timed tests of running services, walks through whole guides, and all other tests.

Each lane has one worker of pytest-xdist. The timed lane mostly waits; meanwhile the installs, renders, linters and type
checks of the two other lanes use the CPUs, with lower priority. With `-n0`, all tests run one after another.
"""

import os

import pytest
from xdist.scheduler import LoadScopeScheduling

LANES = {
    "timed": {
        *("test_benchmarks.py", "test_boot.py", "test_generated_suites.py", "test_lab.py", "test_loop_corpus.py"),
    },
    "walks": {
        *("test_console.py", "test_guide.py", "test_patterns.py", "test_recipes.py", "test_removal.py"),
        *("test_scaffold.py", "test_switches.py", "test_updates.py", "test_working.py"),
    },
}
"""The test files of each lane. Walks follow a guide, a recipe or an update to its end. All other files are in the third
lane. The lanes take about the same time, which keeps the whole run short."""

OTHER = "other"

NICE = {"walks": 5, OTHER: 10}
"""The nice values of the lanes below the first; every test has to pass beside programs that are as busy."""


def lane_of(node_id: str) -> str:
    """Return the name of a test's lane."""
    file = node_id.partition("::")[0].rpartition("/")[2]
    return next((lane for lane, files in LANES.items() if file in files), OTHER)


class Lanes(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """The xdist scheduler that assigns each lane to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid)


@pytest.hookimpl(optionalhook=True)  # a hook of xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Lanes:
    """Return the scheduler that divides the tests by lane."""
    return Lanes(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lower the priority of the lane's process; a process cannot raise it again."""
    nice = NICE.get(lane_of(item.nodeid), 0)
    if hasattr(item.config, "workerinput") and os.nice(0) < nice:
        os.nice(nice - os.nice(0))

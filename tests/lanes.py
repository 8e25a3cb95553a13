"""The two lanes of a run: tests that look at the times of running services, and beside them all the others.

Each lane has a worker of pytest-xdist. The first one mostly waits; the renders, linters and type checks of the other
one use the CPUs meanwhile, with less priority. With `-n0` the tests run one after the other.
"""

import os

import pytest
from xdist.scheduler import LoadScopeScheduling

TIMED = {"test_generated_suites.py", "test_lab.py", "test_loop_corpus.py"}

ALSO_FIRST = {"test_guide.py", "test_patterns.py", "test_recipes.py", "test_removal.py", "test_scaffold.py"}
"""Tests that may run in either lane: both then take about as long, and so the least."""

NICE = 10
"""The priority of the other lane, as of two busy programs beside which every test has to pass."""


def is_timed(node_id: str) -> bool:
    """Tell whether a test belongs to the first lane."""
    return node_id.partition("::")[0].rpartition("/")[2] in TIMED | ALSO_FIRST


class Lanes(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives each lane to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return "timed" if is_timed(nodeid) else "other"


@pytest.hookimpl(optionalhook=True)  # of xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Lanes:
    """Divide the tests by lane."""
    return Lanes(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the worker of the other lane give way."""
    if hasattr(item.config, "workerinput") and not is_timed(item.nodeid) and os.nice(0) < NICE:
        os.nice(NICE)

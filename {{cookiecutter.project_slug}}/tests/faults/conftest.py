"""The pytest hooks of the fault tests: the marker `fault`, and a timeline of each test for the report."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import timeline

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the marker `fault` to every test of this folder, so that `pytest -m fault` selects the fault tests."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("fault")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Record a test whose fixtures fail, so that the report of `make faults` lists it as failed."""
    try:
        yield
    except pytest.skip.Exception:
        raise
    except Exception:
        with timeline.recorded(item.nodeid):
            raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Record the requests of a fault test while the test runs, for the report of `make faults`."""
    with timeline.recorded(item.nodeid) as kept:
        yield
        kept.passed = True

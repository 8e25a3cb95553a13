"""Every test of this folder breaks something real; `make test` runs those marked `smoke`, `make faults` all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import timeline

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("fault")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Have a test in the report whose service does not even start."""
    try:
        yield
    except pytest.skip.Exception:
        raise
    except Exception:
        with timeline.recorded(item.nodeid):
            raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Keep what happens during a test, for the report."""
    with timeline.recorded(item.nodeid) as kept:
        yield
        kept.passed = True

"""Collects the log lines of a module for a test: structlog's own capture misses loggers that are already cached."""

from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import structlog


@contextmanager
def captured_log(module: ModuleType) -> Generator[list[Any]]:
    """Replace a module's logger `log` by a collector, and yield the list that receives the log lines."""
    capture = structlog.testing.LogCapture()
    every_level = structlog.make_filtering_bound_logger(
        "debug"
    )  # a logger for all levels, even if an earlier test has configured structlog with a higher log level
    log = structlog.wrap_logger(None, processors=[capture], wrapper_class=every_level, cache_logger_on_first_use=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "log", log)
        yield capture.entries

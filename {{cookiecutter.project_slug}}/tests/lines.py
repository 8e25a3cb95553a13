"""The log lines of one module, for a test; loggers are cached, so structlog's own capture sees only new ones."""

from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import structlog


@contextmanager
def lines_of(module: ModuleType) -> Generator[list[Any]]:
    """Collect what a module writes through its `log`, instead of writing it."""
    capture = structlog.testing.LogCapture()
    every_level = structlog.make_filtering_bound_logger("debug")  # whatever another test configured
    log = structlog.wrap_logger(None, processors=[capture], wrapper_class=every_level, cache_logger_on_first_use=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "log", log)
        yield capture.entries

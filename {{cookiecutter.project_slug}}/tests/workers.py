"""The number of a test run's xdist workers: three, or none under a debugger, which needs the terminal."""

import sys

import pytest

WORKERS = 3
"""The number of xdist workers: one more than the CPUs of a small machine, as the tests spend a third of the time
waiting for PostgreSQL and clocks."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose the number of xdist workers unless the command line has `-n`.

    The option `-n` in pyproject.toml would make pytest refuse `--pdb`.
    """
    # an xdist worker has `workerinput`
    if not config.pluginmanager.hasplugin("xdist") or hasattr(config, "workerinput"):
        return
    option = config.option
    if option.numprocesses is None:
        debugged = option.usepdb or option.trace or "pydevd" in sys.modules  # pydevd is the debugger of editors
        option.numprocesses = 0 if debugged else WORKERS
    if option.numprocesses and option.dist == "no":
        option.dist = "loadfile"

"""The worker processes of a test run: two, and none for a debugger, which needs the process that has the terminal."""

import sys

import pytest

WORKERS = 2


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose the number of workers unless the command line says `-n`; in `pyproject.toml`, `--pdb` would be refused."""
    if not config.pluginmanager.hasplugin("xdist") or hasattr(config, "workerinput"):  # the latter: this is a worker
        return
    option = config.option
    if option.numprocesses is None:
        debugged = option.usepdb or option.trace or "pydevd" in sys.modules  # pydevd: an editor's debugger
        option.numprocesses = 0 if debugged else WORKERS
    if option.numprocesses and option.dist == "no":
        option.dist = "loadfile"

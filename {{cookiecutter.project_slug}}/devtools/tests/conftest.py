"""The fixtures of the development tools' tests: a throwaway PostgreSQL server, and folders for new servers."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools.postgres import test_server as throwaway_server
from devtools.tests.server_users import guards_leave
from tests import programs
from tests.workers import pytest_cmdline_main

__all__ = ["pytest_cmdline_main"]  # a hook, which pytest looks for in this file


def pytest_configure(config: pytest.Config) -> None:
    """Register the pytest marker `needs_program`, which skips tests of missing programs; let children get SIGINT."""
    programs.add_to(config)


@contextmanager
def server_folder() -> Iterator[Path]:
    """Yield a folder that root's PostgreSQL account can enter, unlike `tmp_path`.

    At the end, wait until the guard process, which stops the unused PostgreSQL server in the folder, has ended.
    """
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "postgres"
        yield folder
        assert guards_leave(folder)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of the throwaway PostgreSQL server, which the tests of the service use too."""
    with throwaway_server() as url:
        yield url


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder for a PostgreSQL server, which the test starts for the first time."""
    with server_folder() as path:
        yield path


@pytest.fixture(scope="session")
def kept() -> Iterator[Path]:
    """The folder of a PostgreSQL server that several tests restart, in a sixth of the time of creating a server."""
    with server_folder() as path:
        yield path

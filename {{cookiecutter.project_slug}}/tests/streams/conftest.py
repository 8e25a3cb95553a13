"""Fixtures for tests of streams: the service with the stream topic `counters`, and a writer of counters."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.databases import make_settings
from tests.http_client import build_app
from tests.serving import served
from tests.streams.counters import TABLE, Writer, add_counters, writing

Serve = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
async def counted_url(committed_url: str) -> str:
    """The URL of a database with the table `counters`, which only this test uses."""
    connection = await asyncpg.connect(committed_url)
    await connection.execute(TABLE)
    await connection.close()
    return committed_url


@pytest.fixture
async def writer(counted_url: str) -> AsyncGenerator[Writer]:
    """A writer that changes rows of the table `counters` on a separate database connection."""
    async with writing(counted_url) as writer:
        yield writer


@pytest.fixture
def serve(counted_url: str) -> Serve:
    """A function that serves the app with the stream topic `counters` on a real socket, with given settings."""

    @asynccontextmanager
    async def serving(**changes: Any) -> AsyncGenerator[str]:  # noqa: ANN401 - Any, as settings have several types
        app = build_app(make_settings(counted_url, **changes))
        add_counters(app)
        async with app.router.lifespan_context(app), served(app) as url:
            yield url

    return serving

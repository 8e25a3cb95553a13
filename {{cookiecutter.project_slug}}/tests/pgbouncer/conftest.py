"""A database of one's own behind PgBouncer."""

from collections.abc import AsyncGenerator

import pytest

from tests.pgbouncer.bouncer import bouncer, keep_limits


@pytest.fixture
async def kept_url(committed_url: str) -> AsyncGenerator[str]:
    """The address through a PgBouncer with two connections; the role keeps the limits."""
    await keep_limits(committed_url)
    with bouncer(committed_url) as url:
        yield url

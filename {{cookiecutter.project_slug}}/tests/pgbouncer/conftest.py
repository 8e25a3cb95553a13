"""A fixture for tests behind PgBouncer: a database URL that leads through PgBouncer."""

from collections.abc import AsyncGenerator

import pytest

from tests.pgbouncer.bouncer import running_pgbouncer, set_role_limits


@pytest.fixture
async def pgbouncer_url(committed_url: str) -> AsyncGenerator[str]:
    """The URL, through PgBouncer with two PostgreSQL connections, of a migrated database whose role stores timeouts."""
    await set_role_limits(committed_url)
    with running_pgbouncer(committed_url) as url:
        yield url

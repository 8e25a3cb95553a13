"""The service and migrations refuse a database URL that leads to PgBouncer by mistake, and name the right setting."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from app.database.connection import enforced
from app.database.driver import PgBouncerInBetween
from app.main import create_app
from app.readiness.role import RoleError
from app.readiness.schema import Revisions
from app.settings.service import Settings
from devtools.ports import free_port
from tests.conftest import client_of
from tests.databases import alembic_config, make_settings, opened
from tests.pgbouncer.bouncer import needs_pgbouncer, pgbouncer_settings, running_pgbouncer, with_port
from tests.server.processes import START_SECONDS, gunicorn

pytestmark = needs_pgbouncer

SENTENCE = (
    "This address leads to PgBouncer, which refuses the settings of a connection: set "
    "DATABASE_PGBOUNCER_CONNECTIONS for the service, and DATABASE_DIRECT_URL for what must not go through it."
)


@pytest.fixture
def empty_pooled_url(empty_url: str) -> Iterator[str]:
    """The URL through PgBouncer of an empty database without migrations."""
    with running_pgbouncer(empty_url) as url:
        yield url


async def upgrade(url: str, **changes: Any) -> None:  # noqa: ANN401 - Any, as settings have several types
    """Run alembic's migrations on a database URL, with additional settings such as the direct URL."""
    config = alembic_config(url)
    config.attributes["settings"] = make_settings(url, log_level="warning", **changes)
    await asyncio.to_thread(command.upgrade, config, "head")


async def test_a_start_says_that_the_address_leads_to_pgbouncer(pgbouncer_url: str) -> None:
    with pytest.raises(PgBouncerInBetween) as refusal:
        async with opened(make_settings(pgbouncer_url)):
            pytest.fail("the start went through")

    assert str(refusal.value) == SENTENCE


async def test_a_start_says_that_an_undeclared_pgbouncer_drops_the_settings(committed_url: str) -> None:
    limits = enforced(make_settings(committed_url).database_timeouts)
    with running_pgbouncer(committed_url, ignored=",".join(limits)) as url, pytest.raises(RoleError) as refusal:
        async with opened(make_settings(url)):
            pytest.fail("the start went through")

    assert f"PgBouncer with ignore_startup_parameters, drops the {', '.join(limits)}" in str(refusal.value)


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, SENTENCE),
        ({"DATABASE_PGBOUNCER_CONNECTIONS": "2"}, "Behind PgBouncer the database role has to keep "),
    ],
)
def test_under_gunicorn_a_start_is_refused_without_a_traceback(
    committed_url: str, variables: dict[str, str], sentence: str
) -> None:
    # WEB_CONCURRENCY is 1, since gunicorn's master may crash when two workers refuse to start at the same moment.
    with running_pgbouncer(committed_url) as url, gunicorn(url, WEB_CONCURRENCY="1", **variables) as service:
        code = service.process.wait(timeout=START_SECONDS)
        errors, output = service.errors(), service.log.read_text("utf-8")

    assert code == 3
    assert errors[0].startswith(f"The service cannot start: {sentence}")
    assert "Traceback" not in output


async def test_readiness_names_pgbouncer_after_a_start_without_a_database(committed_url: str) -> None:
    port = free_port()
    app = create_app(make_settings(with_port(committed_url, port)))
    async with app.router.lifespan_context(app), client_of(app) as client:
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, running_pgbouncer(committed_url, port=port))
            answer = await client.get("/health/ready")

    assert (answer.status_code, answer.json()["reasons"]) == (503, [SENTENCE])


async def test_migrations_use_the_direct_address(empty_pooled_url: str, empty_url: str) -> None:
    await upgrade(empty_pooled_url, database_pgbouncer_connections=2, database_direct_url=empty_url)

    async with opened(make_settings(empty_url)) as resources:
        assert await resources.reader.scalar(text("SELECT version_num FROM alembic_version")) == Revisions.read().head


async def test_migrations_name_the_address_that_cannot_be_reached(empty_url: str) -> None:
    closed = with_port(empty_url, free_port())
    with pytest.raises(SystemExit, match="Is DATABASE_DIRECT_URL right"):
        await upgrade(empty_url, database_direct_url=closed)


async def test_migrations_behind_pgbouncer_ask_for_the_direct_address(empty_pooled_url: str) -> None:
    with pytest.raises(SystemExit, match=r"^DATABASE_PGBOUNCER_CONNECTIONS says .* set DATABASE_DIRECT_URL to the "):
        await upgrade(empty_pooled_url, database_pgbouncer_connections=2)


async def test_migrations_at_an_undeclared_pgbouncer_name_pgbouncer(empty_pooled_url: str) -> None:
    with pytest.raises(SystemExit) as end:
        await upgrade(empty_pooled_url)

    assert str(end.value) == SENTENCE


async def test_more_workers_than_the_server_has_connections_for_start_behind_pgbouncer(pgbouncer_url: str) -> None:
    """44 workers may open 132 connections to PgBouncer, which opens two to PostgreSQL: the service starts."""
    many = {"web_concurrency": 22, "database_pgbouncer_max_client_conn": 1000, "database_max_connections": 12}
    without_jobs: dict[str, Any] = {"jobs": {"workers": 0}} if "jobs" in Settings.model_fields else {}
    async with opened(pgbouncer_settings(pgbouncer_url, **many, **without_jobs)) as resources:
        ready = await resources.readiness.reasons()

    assert ready == ()
    assert (resources.plan.peak_connections, resources.plan.server_connections) == (132, 2)

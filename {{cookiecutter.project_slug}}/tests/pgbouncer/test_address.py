"""The address that leads to PgBouncer, and the one past it: who takes which, and what a mistake is told."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from app.connection import PgBouncerInBetween
from app.health.revisions import Revisions
from app.lifespan import open_resources
from app.main import create_app
from devtools.ports import free_port
from tests.conftest import client_of
from tests.databases import alembic_config, make_settings
from tests.pgbouncer.bouncer import MISSING, bouncer, find, pooled, through
from tests.server.processes import gunicorn

SENTENCE = (
    "This address leads to PgBouncer, which refuses the settings of a connection: set "
    "DATABASE_PGBOUNCER_CONNECTIONS for the service, and DATABASE_DIRECT_URL for what must not go through it."
)


@pytest.fixture
def empty_pooled_url(empty_url: str) -> Iterator[str]:
    """The same through PgBouncer."""
    with bouncer(empty_url) as url:
        yield url


async def upgrade(url: str, **changes: Any) -> None:  # noqa: ANN401 - any setting may be changed
    """Migrate with these settings."""
    config = alembic_config(url)
    config.attributes["settings"] = make_settings(url, log_level="warning", **changes)
    await asyncio.to_thread(command.upgrade, config, "head")


async def test_a_start_says_that_the_address_leads_to_pgbouncer(kept_url: str) -> None:
    with pytest.raises(PgBouncerInBetween) as refusal:
        async with open_resources(make_settings(kept_url)):
            pytest.fail("the start went through")

    assert str(refusal.value) == SENTENCE


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
    # One worker: when two fail in the same moment, gunicorn itself may trip over the second one.
    with bouncer(committed_url) as url, gunicorn(url, WEB_CONCURRENCY="1", **variables) as service:
        code = service.process.wait(timeout=20)
        errors = [line["event"] for line in service.lines() if line["level"] == "error"]
        output = service.log.read_text("utf-8")

    assert code == 3
    assert errors[0].startswith(f"The service cannot start: {sentence}")
    assert "Traceback" not in output


async def test_a_start_without_a_database_finds_pgbouncer_later_and_readiness_tells(committed_url: str) -> None:
    port = free_port()
    app = create_app(make_settings(through(committed_url, port)))
    async with app.router.lifespan_context(app), client_of(app) as client:
        with bouncer(committed_url, port=port):
            answer = await client.get("/health/ready")

    assert (answer.status_code, answer.json()["reasons"]) == (503, [SENTENCE])


async def test_migrations_take_the_direct_address(empty_pooled_url: str, empty_url: str) -> None:
    await upgrade(empty_pooled_url, database_pgbouncer_connections=2, database_direct_url=empty_url)

    async with open_resources(make_settings(empty_url)) as resources:
        assert await resources.reader.scalar(text("SELECT version_num FROM alembic_version")) == Revisions.read().head


async def test_migrations_name_the_address_that_they_took(empty_url: str) -> None:
    nobody = through(empty_url, free_port())
    with pytest.raises(SystemExit, match="Is DATABASE_DIRECT_URL right"):
        await upgrade(empty_url, database_direct_url=nobody)


async def test_migrations_behind_pgbouncer_ask_for_the_direct_address(empty_pooled_url: str) -> None:
    with pytest.raises(SystemExit, match=r"^DATABASE_PGBOUNCER_CONNECTIONS says .* set DATABASE_DIRECT_URL to the "):
        await upgrade(empty_pooled_url, database_pgbouncer_connections=2)


async def test_migrations_that_meet_pgbouncer_say_so(empty_pooled_url: str) -> None:
    with pytest.raises(SystemExit) as end:
        await upgrade(empty_pooled_url)

    assert str(end.value) == SENTENCE


async def test_more_workers_than_the_server_has_connections_for_start_behind_pgbouncer(kept_url: str) -> None:
    """44 of them with a connection each for requests and for the probe; PgBouncer opens two to the server."""
    many = {"web_concurrency": 22, "database_pgbouncer_max_client_conn": 1000, "database_max_connections": 12}
    async with open_resources(pooled(kept_url, **many)) as resources:
        ready = await resources.readiness.reasons()

    assert ready == ()
    assert (resources.plan.peak_connections, resources.plan.server_connections) == (132, 2)


def test_without_the_program_a_test_is_skipped_here_and_fails_in_ci() -> None:
    outcomes = []
    for in_ci in (False, True):
        with pytest.raises((pytest.skip.Exception, pytest.fail.Exception)) as outcome:
            find("", in_ci=in_ci)
        outcomes.append((outcome.type, str(outcome.value)))

    assert outcomes == [(pytest.skip.Exception, MISSING), (pytest.fail.Exception, MISSING)]

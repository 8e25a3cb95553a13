"""The capacity plan is checked against PostgreSQL's limits before the first request, even if PostgreSQL starts late."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.capacity.from_settings import plan_for
from app.capacity.plan import CapacityError
from app.database.engine import build_probe_engine, connection_name
from app.database.reader import Reader
from app.main import create_app
from app.readiness.capacity import CapacityCheck, misfit
from app.resources import Resources
from app.settings.service import Settings
from devtools.ports import free_port
from tests.conftest import client_of
from tests.database.test_pool import Relay
from tests.databases import make_settings, opened, run_statement

TOO_LARGE = {"database_max_connections": 1000, "database_pool_limit": 100}
SENTENCE = "All replicas together open up to 404 connections and leave 10 free, but the server has 100. "


NO_JOBS: dict[str, Any] = {"jobs": {"workers": 0}} if "jobs" in Settings.model_fields else {}
"""Settings without job workers, so that the tests expect the connections of web processes only."""


def plain_settings(url: str, **changes: Any) -> Settings:  # noqa: ANN401 - Any, as settings have several types
    return make_settings(url, **NO_JOBS, **changes)


async def ready(url: str, **changes: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - Any, as settings have several types
    app = create_app(plain_settings(url, **changes))
    async with app.router.lifespan_context(app), client_of(app) as client:
        answer = await client.get("/health/ready")
    return answer.status_code, answer.json()


@asynccontextmanager
async def checking(url: str, **changes: int) -> AsyncGenerator[tuple[CapacityCheck, AsyncEngine]]:
    """Yield the check of a capacity plan for the given settings, and the engine that runs the check's queries."""
    settings = plain_settings(url, **changes)
    address = settings.database_url.get_secret_value()
    engine = build_probe_engine(address, timeouts=settings.database_timeouts, application_name="test")
    yield CapacityCheck(plan_for(settings, cpus=2), Reader(engine), "refuse"), engine
    await engine.dispose()


async def test_a_plan_that_the_server_has_no_room_for_stops_the_start(shared_url: str) -> None:
    with pytest.raises(CapacityError) as refusal:
        async with opened(plain_settings(shared_url, **TOO_LARGE)):
            pytest.fail("the start went through")

    assert str(refusal.value).startswith(SENTENCE + "Set DATABASE_MAX_CONNECTIONS=100 ")


async def test_a_setting_that_the_refusal_suggests_fits(shared_url: str) -> None:
    async with opened(plain_settings(shared_url, **TOO_LARGE | {"database_max_connections": 100})) as resources:
        assert resources.plan.pool_size == 21


async def test_with_warn_the_service_starts_and_readiness_shows_the_warning(shared_url: str) -> None:
    status, body = await ready(shared_url, **TOO_LARGE, database_capacity_check="warn")

    assert (status, body["status"], body["reasons"]) == (200, "ready", [])
    assert [warning[: len(SENTENCE)] for warning in body["warnings"]] == [SENTENCE]


async def test_with_off_the_server_is_not_asked(shared_url: str) -> None:
    assert await ready(shared_url, **TOO_LARGE, database_capacity_check="off") == (
        200,
        {"status": "ready", "reasons": []},
    )


@pytest.mark.parametrize(("changes", "queries"), [({}, 1), (TOO_LARGE, 3)])
async def test_the_server_is_asked_until_the_plan_fits(shared_url: str, changes: dict[str, int], queries: int) -> None:
    asked: list[str] = []
    async with checking(shared_url, **changes) as (check, engine):
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
        for _ in range(3):
            await check.ask()

    assert len(asked) == queries


async def test_a_start_without_a_database_is_checked_before_it_is_ready(shared_url: str) -> None:
    port = free_port()
    unreachable = shared_url.replace(urlsplit(shared_url).netloc.partition("@")[2], f"127.0.0.1:{port}")
    app = create_app(plain_settings(unreachable, **TOO_LARGE))
    async with app.router.lifespan_context(app), client_of(app) as client:
        before = (await client.get("/health/ready")).json()
        app.state.resources.readiness.forget()
        async with Relay(shared_url).listening(port):
            after = await client.get("/health/ready")

    assert before["reasons"] == ["The database cannot be reached."]
    assert after.status_code == 503
    assert [reason[: len(SENTENCE)] for reason in after.json()["reasons"]] == [SENTENCE]


async def test_a_password_that_is_wrong_does_not_prevent_the_start(shared_url: str) -> None:
    status, body = await ready(shared_url.replace(urlsplit(shared_url).password or "", "wrong"))

    assert (status, body["reasons"]) == (503, ["the database refused the login"])


@pytest.fixture
def limited_url(server_url: str, committed_url: str) -> Iterator[str]:
    """The URL of a database for a role with CONNECTION LIMIT 43; a plan for two workers needs 44 connections."""
    role = f"limited_{uuid4().hex}"
    asyncio.run(run_statement(server_url, f"CREATE ROLE {role} LOGIN PASSWORD 'pw' CONNECTION LIMIT 43"))
    yield committed_url.replace(urlsplit(committed_url).netloc.partition("@")[0], f"{role}:pw")
    asyncio.run(run_statement(server_url, f"DROP ROLE {role}"))


async def test_the_limit_of_the_role_counts_too(limited_url: str) -> None:
    async with checking(limited_url) as (check, _engine):
        with pytest.raises(
            CapacityError, match=r"the role has a CONNECTION LIMIT of 43\. .*DATABASE_MAX_CONNECTIONS=53 "
        ):
            await check.at_start()

    async with checking(limited_url, database_max_connections=53) as (check, _engine):
        await check.at_start()


async def test_the_limit_of_the_database_counts_too(limited_url: str, server_url: str) -> None:
    name = urlsplit(limited_url).path.strip("/")
    await run_statement(server_url, f"ALTER DATABASE {name} CONNECTION LIMIT 5")
    async with checking(limited_url, database_pool_limit=9) as (check, _engine):
        with pytest.raises(CapacityError, match=r"the database has a CONNECTION LIMIT of 5\. "):
            await check.at_start()


@pytest.mark.parametrize(
    ("changes", "kept", "fits"),
    [
        ({}, {"superuser_reserved_connections": 3}, True),
        ({}, {"superuser_reserved_connections": 3, "reserved_connections": 53}, True),
        ({}, {"superuser_reserved_connections": 3, "reserved_connections": 54}, False),
        ({"database_reserved_connections": 56}, {"superuser_reserved_connections": 3}, True),
        ({"database_pgbouncer_connections": 90}, {"superuser_reserved_connections": 10}, True),
        ({"database_pgbouncer_connections": 90}, {"superuser_reserved_connections": 11}, False),
    ],
)
def test_connections_that_the_server_reserves_do_not_count(
    changes: dict[str, int], kept: dict[str, int], *, fits: bool
) -> None:
    plan = plan_for(plain_settings("postgresql://nobody@127.0.0.1:1/none", **changes), cpus=2)

    assert (misfit(plan, {"max_connections": 100, **kept}) is None) == fits


async def test_pg_stat_activity_shows_service_purpose_and_worker(shared_url: str) -> None:
    own_name = text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    async with opened(plain_settings(shared_url, service_name="a-shop")) as resources:
        names = [await reader.scalar(own_name) for reader in readers(resources)]

    assert names == [f"a-shop requests worker {os.getpid()}", f"a-shop probe worker {os.getpid()}"]


async def test_a_long_or_non_ascii_service_name_leaves_room_for_purpose_and_worker(shared_url: str) -> None:
    own_name = text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    async with opened(plain_settings(shared_url, service_name="größe" * 20)) as resources:
        names = [await reader.scalar(own_name) for reader in readers(resources)]

    assert names == [connection_name("gr??e" * 20, purpose) for purpose in ("requests", "probe")]
    assert {len(name) for name in names} == {63}
    assert all(name.endswith(f" worker {os.getpid()}") for name in names)


def readers(resources: Resources) -> tuple[Reader, Reader]:
    return resources.reader, resources.readiness.reader

"""The probes tell the truth: about the database, about its schema, about the end."""

import asyncio
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from sqlalchemy import event, text

from app.downstreams.client import httpx
from app.health import readiness as readiness_module
from app.health.readiness import Readiness
from app.health.revisions import Revisions
from app.lifespan import Resources, begin_drain
from app.main import create_app
from tests.conftest import client_of
from tests.databases import make_settings

CLOSED = "postgresql://nobody:nothing@127.0.0.1:1/none"
HEAD = Revisions.read().head


async def probe(database_url: str, path: str) -> tuple[int, dict[str, object]]:
    app = create_app(make_settings(database_url))
    async with app.router.lifespan_context(app), client_of(app) as client:
        answer = await client.get(path)
    return answer.status_code, answer.json()


async def set_revision(app: FastAPI, statement: str) -> None:
    resources: Resources = app.state.resources
    async with resources.write_sessions.begin() as session:
        await session.execute(text(statement))


async def test_ready_when_the_database_answers_at_our_revision(committed_client: httpx.AsyncClient) -> None:
    answer = await committed_client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "reasons": []}


async def test_not_ready_while_the_database_port_is_closed() -> None:
    assert await probe(CLOSED, "/health/ready") == (
        503,
        {"status": "not ready", "reasons": ["The database cannot be reached."]},
    )


async def test_live_does_not_touch_the_database() -> None:
    assert await probe(CLOSED, "/health/live") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("statement", "current"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "0001"),
        ("DELETE FROM alembic_version", "empty"),
        ("DROP TABLE alembic_version", "empty"),
    ],
)
async def test_not_ready_while_the_schema_is_behind(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, statement: str, current: str
) -> None:
    readiness: readiness_module.Readiness = committed_app.state.resources.readiness
    readiness.revisions = Revisions(head="0099", known=frozenset({"0001", HEAD, "0099"}))
    await set_revision(committed_app, statement)

    answer = await committed_client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == [
        f"the schema is behind: the database is at {current}, this code needs 0099; run the migrations"
    ]


async def test_ready_while_newer_code_has_migrated_the_database(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    await set_revision(committed_app, "UPDATE alembic_version SET version_num = 'ffff'")

    assert (await committed_client.get("/health/ready")).status_code == 200


async def test_not_ready_once_the_process_drains(committed_app: FastAPI, committed_client: httpx.AsyncClient) -> None:
    begin_drain(committed_app)

    answer = await committed_client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the process is stopping"]


async def test_readiness_comes_back_by_itself(committed_app: FastAPI, committed_client: httpx.AsyncClient) -> None:
    await set_revision(committed_app, "ALTER TABLE alembic_version RENAME TO hidden")
    away = await committed_client.get("/health/ready")
    await set_revision(committed_app, "ALTER TABLE hidden RENAME TO alembic_version")
    cached = await committed_client.get("/health/ready")
    committed_app.state.resources.readiness.forget()

    back = await committed_client.get("/health/ready")

    assert [away.status_code, cached.status_code, back.status_code] == [503, 503, 200]


async def test_a_busy_pool_is_no_reason_to_send_the_traffic_elsewhere(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    engine = committed_app.state.resources.engine
    async with engine.connect(), engine.connect():
        answer = await committed_client.get("/health/ready")

    assert answer.status_code == 200


async def test_any_number_of_probes_cost_one_query(committed_app: FastAPI) -> None:
    resources: Resources = committed_app.state.resources
    readiness = Readiness(resources.reader, resources.readiness.revisions, resources.readiness.capacity)
    asked: list[str] = []
    event.listen(resources.engine.sync_engine, "before_cursor_execute", lambda *seen: asked.append(seen[2]))

    await asyncio.gather(*(readiness.reasons() for _ in range(20)))

    assert asked == ["SELECT version_num FROM alembic_version"]


async def test_a_frozen_server_does_not_hold_the_probe(shared_url: str) -> None:
    """A server that accepts and then says nothing, as one that is stopped with SIGSTOP does."""

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.add(writer)

    silent: set[asyncio.StreamWriter] = set()
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    app = create_app(make_settings(shared_url.replace(urlsplit(shared_url).netloc, f"app:secret@127.0.0.1:{port}")))
    async with server, app.router.lifespan_context(app), client_of(app) as client:
        async with asyncio.timeout(readiness_module.TIME_LIMIT_SECONDS + 0.4):  # connecting alone may take 1.5 s
            answer = await client.get("/health/ready")
        for writer in silent:
            writer.close()

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the database did not answer within 1 s"]


async def test_verbose_readiness_shows_every_queue(committed_client: httpx.AsyncClient) -> None:
    answer = (await committed_client.get("/health/ready?verbose")).json()

    assert {"database", "others"} <= set(answer["gates"])
    bounds = {"places": 2, "max_waiting": 40, "max_wait_seconds": 1.0}
    assert answer["gates"]["database"] == bounds | {"in_use": 0, "waiting": 0, "refused": 0}

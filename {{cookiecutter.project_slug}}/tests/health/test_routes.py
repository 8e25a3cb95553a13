"""Liveness and readiness: the responses for each state of the database, the schema and the process."""

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from sqlalchemy import event, text

from app.main import create_app
from app.readiness.readiness import FIND, TIMEOUT_SECONDS, Readiness
from app.readiness.schema import PREFIX, Revisions
from app.resources import Resources
from tests.conftest import client_of
from tests.databases import exhausted, make_settings
from tests.http_client import httpx

CLOSED = "postgresql://app:secret@127.0.0.1:1/none"
HEAD = Revisions.read().head
UPDATE = "UPDATE alembic_version SET version_num = '{revision}'"


async def probe(database_url: str, path: str) -> tuple[int, dict[str, object]]:
    app = create_app(make_settings(database_url))
    async with app.router.lifespan_context(app), client_of(app) as client:
        answer = await client.get(path)
    return answer.status_code, answer.json()


async def set_revision(app: FastAPI, statement: str) -> None:
    resources: Resources = app.state.resources
    async with resources.write_sessions.begin() as session:
        await session.execute(text(statement))


async def test_ready_when_the_database_is_at_the_revision_of_the_code(committed_client: httpx.AsyncClient) -> None:
    answer = await committed_client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "reasons": []}


async def test_not_ready_while_the_database_port_is_closed() -> None:
    assert await probe(CLOSED, "/health/ready") == (
        503,
        {"status": "not ready", "reasons": ["The database cannot be reached."]},
    )


async def test_liveness_does_not_touch_the_database() -> None:
    assert await probe(CLOSED, "/health/live") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("statement", "current"),
    [
        (UPDATE.format(revision="0001"), "0001"),
        ("DELETE FROM alembic_version", "empty"),
        ("DROP TABLE alembic_version", "empty"),
    ],
)
async def test_not_ready_while_the_schema_is_behind(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, statement: str, current: str
) -> None:
    readiness: Readiness = committed_app.state.resources.readiness
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
    await set_revision(committed_app, UPDATE.format(revision=f"{PREFIX}ffff"))

    assert (await committed_client.get("/health/ready")).status_code == 200


@pytest.mark.parametrize("revision", ["8d9e3f1c2b7a", f"other_{HEAD}", PREFIX.removesuffix("__") + "_copy__0001"])
async def test_not_ready_on_the_database_of_a_different_service(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, revision: str
) -> None:
    await set_revision(committed_app, UPDATE.format(revision=revision))

    answer = await committed_client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == [
        f"revision {revision} is foreign: DATABASE_URL leads to the database of a different service"
    ]


async def test_readiness_returns_after_the_fault(committed_app: FastAPI, committed_client: httpx.AsyncClient) -> None:
    await set_revision(committed_app, "ALTER TABLE alembic_version RENAME TO hidden")
    not_ready = await committed_client.get("/health/ready")
    await set_revision(committed_app, "ALTER TABLE hidden RENAME TO alembic_version")
    cached = await committed_client.get("/health/ready")
    committed_app.state.resources.readiness.forget()

    ready = await committed_client.get("/health/ready")

    assert [not_ready.status_code, cached.status_code, ready.status_code] == [503, 503, 200]


async def test_ready_while_the_connection_pool_is_exhausted(
    committed_app: FastAPI, committed_client: httpx.AsyncClient
) -> None:
    async with exhausted(committed_app.state.resources):
        answer = await committed_client.get("/health/ready")

    assert answer.status_code == 200


async def test_concurrent_probes_share_a_single_query(committed_app: FastAPI) -> None:
    resources: Resources = committed_app.state.resources
    readiness = replace(resources.readiness, reader=resources.reader)
    readiness.forget()
    queries: list[str] = []
    event.listen(resources.engine.sync_engine, "before_cursor_execute", lambda *seen: queries.append(seen[2]))

    await asyncio.gather(*(readiness.reasons() for _ in range(20)))

    assert queries == [FIND.text]


async def test_a_frozen_database_server_does_not_delay_the_probe(shared_url: str) -> None:
    """The readiness probe answers in time although the database, a fake, accepts connections and sends nothing."""

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)

    connections: set[asyncio.StreamWriter] = set()
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    app = create_app(make_settings(shared_url.replace(urlsplit(shared_url).netloc, f"app:secret@127.0.0.1:{port}")))
    async with server, app.router.lifespan_context(app), client_of(app) as client:
        async with asyncio.timeout(10 * TIMEOUT_SECONDS):
            answer = await client.get("/health/ready")
        for writer in connections:
            writer.close()

    assert answer.status_code == 503
    # without the probe's own timeout of 1 s, the connect timeout of the database, 1.5 s, would be the reported reason
    assert answer.json()["reasons"] == ["the database did not answer within 1 s"]

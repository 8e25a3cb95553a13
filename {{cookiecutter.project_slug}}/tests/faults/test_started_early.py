"""Started before the database, before its schema, with a password that is none any more: not ready until it is mended.

Nobody restarts anything: the process stays alive, says what is wrong, and is ready as soon as that is put right.
"""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from app.downstreams.client import httpx
from app.health.revisions import Revisions
from devtools.binaries import settle
from devtools.cluster import Cluster
from tests.databases import ROOT, cloned, ensure_template, run_statement
from tests.server.processes import Service, gunicorn

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
]

NO_SCHEMA = (
    f"the schema is behind: the database is at empty, this code needs {Revisions.read().head}; run the migrations"
)
NO_SERVER = "The database cannot be reached."
WRONG_PASSWORD = "the database refused the login"

END_CONNECTIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
"""Those that are open stay good when the password changes."""

READY_SECONDS = 5.0
"""Readiness asks the database once a second, and one question may take another."""

PROBES = 3
"""Of both kinds while it is broken: it must go on saying the same."""


@pytest.fixture
def stopped() -> Iterator[tuple[Cluster, str]]:
    """A server that is not started yet, and the address that a migrated database will have on it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "postgres"
        cluster = Cluster(*settle(folder), durable=True)  # it keeps its port, as a real one does
        cluster.start()
        stack.callback(cluster.stop)
        database = stack.enter_context(cloned(cluster.url(), ensure_template(cluster.url())))
        cluster.stop()
        yield cluster, database
        if not cluster.is_alive():
            cluster.start()


@pytest.fixture
async def role(server_url: str) -> AsyncGenerator[str]:
    """A role of one's own, so that nobody else loses the password; it may read, which is all that probes do."""
    name = f"early_{uuid4().hex}"
    await run_statement(server_url, f"CREATE ROLE {name} LOGIN IN ROLE pg_read_all_data")
    yield name
    await run_statement(server_url, f"DROP ROLE {name}")


async def not_ready(service: Service, url: str) -> set[tuple[int, str, tuple[str, ...]]]:
    """Return what readiness answers, plain and verbose; meanwhile the process is alive, and no password is told."""
    seen = set()
    secret = urlsplit(url).password
    async with httpx.AsyncClient(base_url=service.url) as client:
        for path in ("/health/ready", "/health/ready?verbose") * PROBES:
            answer, live = await client.get(path), await client.get("/health/live")
            seen.add((answer.status_code, answer.json()["status"], tuple(answer.json()["reasons"])))

            assert live.status_code == 200
            assert secret is not None
            assert secret not in answer.text + service.log.read_text("utf-8")
    return seen


async def wait_until_ready(service: Service, status: int = 200) -> None:
    """Wait until readiness is good, or as bad as this, without any help; the process is alive all the time."""
    async with httpx.AsyncClient(base_url=service.url) as client, asyncio.timeout(READY_SECONDS):
        while (await client.get("/health/ready")).status_code != status:
            assert (await client.get("/health/live")).status_code == 200
            await asyncio.sleep(0.05)
    assert service.process.poll() is None


@contextmanager
def started(url: str) -> Iterator[Service]:
    """One worker, that has come up as far as it can."""
    with gunicorn(url, WEB_CONCURRENCY="1") as service:
        service.wait_until_serving()
        yield service
        service.wait_for("started")

        assert len(service.lines("started")) == 1  # nothing was started again


def migrate(url: str) -> None:
    """Run the migrations as a deployment does."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


async def test_before_its_schema_it_waits_for_the_migrations(empty_url: str) -> None:
    with started(empty_url) as service:
        assert await not_ready(service, empty_url) == {(503, "not ready", (NO_SCHEMA,))}
        await asyncio.to_thread(migrate, empty_url)

        await wait_until_ready(service)


async def test_before_its_database_it_waits_for_the_server(stopped: tuple[Cluster, str]) -> None:
    cluster, url = stopped
    with started(url) as service:
        assert await not_ready(service, url) == {(503, "not ready", (NO_SERVER,))}
        await asyncio.to_thread(cluster.start)

        await wait_until_ready(service)


async def test_with_a_wrong_password_it_waits_for_the_right_one(committed_url: str, server_url: str, role: str) -> None:
    """Wrong from the start, and from some moment on."""
    password = secrets.token_hex(16)
    url = urlsplit(committed_url)
    own = url._replace(netloc=f"{role}:{password}@{url.hostname}:{url.port}").geturl()
    await run_statement(server_url, f"ALTER ROLE {role} PASSWORD 'another'")
    with started(own) as service:
        for _ in range(2):
            assert await not_ready(service, own) == {(503, "not ready", (WRONG_PASSWORD,))}
            await run_statement(server_url, f"ALTER ROLE {role} PASSWORD '{password}'")

            await wait_until_ready(service)

            await run_statement(server_url, f"ALTER ROLE {role} PASSWORD 'another'")
            await run_statement(server_url, END_CONNECTIONS.format(role=role))
            await wait_until_ready(service, 503)

"""A start before the database, before its schema, or with a wrong password: the service is live, but not ready.

Readiness names the reason, and the service becomes ready without a restart as soon as the reason is gone.
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

from app.readiness.schema import Revisions
from devtools.binaries import settle
from devtools.cluster import Cluster
from tests.databases import ROOT, cloned, ensure_template, run_statement
from tests.http_client import httpx
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

NO_SCHEMA = (
    f"the schema is behind: the database is at empty, this code needs {Revisions.read().head}; run the migrations"
)
FOREIGN_DATABASE = "revision 8d9e3f1c2b7a is foreign: DATABASE_URL leads to the database of a different service"
NO_SERVER = "The database cannot be reached."
WRONG_PASSWORD = "the database refused the login"

END_CONNECTIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
"""SQL that ends all connections of a role, as open connections survive a change of password."""

PATIENCE_SECONDS = 30.0
"""How long to wait for readiness, in seconds: ten times the check of the database, which runs once a second and takes
up to a second."""

PROBES = 6
"""The number of readiness probes during a fault: all must get the same response."""


@pytest.fixture
def stopped() -> Iterator[tuple[Cluster, str]]:
    """A stopped PostgreSQL server that the test may start, and the URL of a migrated database on the server."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "postgres"
        cluster = Cluster(*settle(folder), durable=True)  # a durable server keeps data and port after a stop
        cluster.start()
        stack.callback(cluster.stop)
        database = stack.enter_context(cloned(cluster.url(), ensure_template(cluster.url())))
        cluster.stop()
        yield cluster, database
        if not cluster.is_alive():
            cluster.start()


@pytest.fixture
async def role(server_url: str) -> AsyncGenerator[str]:
    """The name of a database role that may read all tables, as readiness needs; the test sets its password."""
    name = f"early_{uuid4().hex}"
    await run_statement(server_url, f"CREATE ROLE {name} LOGIN IN ROLE pg_read_all_data")
    yield name
    await run_statement(server_url, f"DROP ROLE {name}")


async def not_ready(service: Service, url: str) -> set[tuple[int, str, tuple[str, ...]]]:
    """Probe readiness and liveness several times, and return the distinct readiness responses.

    Liveness must be 200 each time. No response and no log line may contain the database URL's password.
    """
    seen = set()
    secret = urlsplit(url).password
    async with httpx.AsyncClient(base_url=service.url) as client:
        for _ in range(PROBES):
            answer, live = await client.get("/health/ready"), await client.get("/health/live")
            seen.add((answer.status_code, answer.json()["status"], tuple(answer.json()["reasons"])))

            assert live.status_code == 200
            assert secret is not None
            assert secret not in answer.text + service.log.read_text("utf-8")
    return seen


async def wait_until_ready(service: Service, status: int = 200) -> None:
    """Wait until the readiness probe has this status, and check that liveness is 200 and the service still runs."""
    async with httpx.AsyncClient(base_url=service.url) as client, asyncio.timeout(PATIENCE_SECONDS):
        while (await client.get("/health/ready")).status_code != status:
            assert (await client.get("/health/live")).status_code == 200
            await asyncio.sleep(0.05)
    assert service.process.poll() is None


@contextmanager
def started(url: str) -> Iterator[Service]:
    """Run the service with one worker, ready or not, and check at the end that the worker never restarted."""
    with gunicorn(url, WEB_CONCURRENCY="1") as service:
        service.wait_until_serving()
        yield service
        service.wait_for("application started")

        assert len(service.lines("application started")) == 1  # a restarted worker would log the event again


def migrate(url: str) -> None:
    """Run `alembic upgrade head` in a process with the URL of the database, as a deployment does."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


async def test_without_a_schema_the_service_waits_for_the_migrations(empty_url: str) -> None:
    with started(empty_url) as service:
        assert await not_ready(service, empty_url) == {(503, "not ready", (NO_SCHEMA,))}
        await asyncio.to_thread(migrate, empty_url)

        await wait_until_ready(service)


async def test_on_the_database_of_a_different_service_the_service_is_not_ready(committed_url: str) -> None:
    await run_statement(committed_url, "UPDATE alembic_version SET version_num = '8d9e3f1c2b7a'")
    with started(committed_url) as service:
        assert await not_ready(service, committed_url) == {(503, "not ready", (FOREIGN_DATABASE,))}


async def test_without_a_database_the_service_waits_for_the_server(stopped: tuple[Cluster, str]) -> None:
    cluster, url = stopped
    with started(url) as service:
        assert await not_ready(service, url) == {(503, "not ready", (NO_SERVER,))}
        await asyncio.to_thread(cluster.start)

        await wait_until_ready(service)


async def test_with_a_wrong_password_the_service_waits_for_the_right_password(
    committed_url: str, server_url: str, role: str
) -> None:
    """The password is wrong when the service starts, and again after the database changes the role's password."""
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

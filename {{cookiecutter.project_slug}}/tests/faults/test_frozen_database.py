"""A frozen PostgreSQL does not respond, but keeps its connections open: each request ends at its deadline.

A single frozen backend of PostgreSQL costs only the request on its connection.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.settings.route_groups import RouteGroup
from devtools.postgres import server
from tests.databases import cloned, ensure_template
from tests.faults.bulkheads import until_idle
from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.faults.timeline import fault
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the server's processes in /proc")

FROZEN_SECONDS = 8.0
"""How long PostgreSQL is frozen, in seconds: twice the deadline of 4 s."""

DEADLINE_SECONDS = RouteGroup().deadline_seconds

LATE_SECONDS = 1.0
"""The tolerance by which the slowest 504 may exceed the deadline, in seconds: ten times the measured delay."""

PATIENCE_SECONDS = 20
"""How long to wait for a 200 after the freeze, in seconds: ten times the time for a new database connection."""

BACKEND_FROZEN_SECONDS = 6.0
"""How long a backend is frozen, in seconds: longer than the deadline (4 s), so that the backend's request must end
during the freeze."""

OTHER_SECONDS = 0.5
"""The bound on the 99th percentile of the requests that need no frozen process of PostgreSQL, in seconds: ten times the
measured value."""

BUSY_BACKEND = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'PgSleep' AND query_start > clock_timestamp() - interval '20 ms'
ORDER BY query_start DESC LIMIT 1
"""
"""SQL that finds the process id of a backend in the middle of the service's pg_sleep. A backend that is frozen there
holds no lock that other backends need."""


def processes_of(postmaster: int) -> list[int]:
    """Return the process ids of a PostgreSQL server: the postmaster and its child processes."""
    found = [postmaster]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text("ascii", errors="replace").rpartition(")")[2].split()[1])
        except OSError:  # this process ended during the loop
            continue
        if parent == postmaster:
            found.append(int(stat.parent.name))
    return found


def send(process: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(process, number)


@contextmanager
def frozen(postmaster: int) -> Iterator[None]:
    """Freeze every process of a PostgreSQL server with SIGSTOP during the block."""
    processes = processes_of(postmaster)
    for process in processes:
        send(process, signal.SIGSTOP)
    try:
        with fault("the database is frozen"):
            yield
    finally:
        for process in {*processes, *processes_of(postmaster)}:
            send(process, signal.SIGCONT)


@asynccontextmanager
async def backend_frozen(url: str) -> AsyncGenerator[None]:
    """Freeze, with SIGSTOP during the block, a PostgreSQL backend that runs a statement of the service."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (process := await value_of(url, BUSY_BACKEND)) is None:
            pass
    os.kill(process, signal.SIGSTOP)
    try:
        with fault("a backend is frozen"):
            yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.fixture
def own_server() -> Iterator[tuple[int, str]]:
    """The process id of a PostgreSQL server that only this test uses, and the URL of a migrated database on it."""
    with (
        tempfile.TemporaryDirectory() as name,
        server(Path(name) / "postgres", durable=False) as url,
        cloned(url, ensure_template(url)) as database,
    ):
        folder = Path(asyncio.run(value_of(url, "SHOW data_directory")))
        yield int((folder / "postmaster.pid").read_text("ascii").split()[0]), database


async def value_of(url: str, statement: str) -> Any:  # noqa: ANN401 - an SQL value of any type
    connection = await asyncpg.connect(url)
    found = await connection.fetchval(statement)
    await connection.close()
    return found


async def ask(client: Client) -> None:
    await client.ask("/slow")
    await asyncio.sleep(0.05)


async def ask_live(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.05)


async def storm(service: Service) -> tuple[Answers, Answers]:
    return await asyncio.gather(
        for_a_while(service.url, 50, FROZEN_SECONDS, ask), for_a_while(service.url, 1, FROZEN_SECONDS, ask_live)
    )


async def until_recovered(service: Service) -> None:
    client = Client(service.url, Answers())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await client.ask("/slow") != 200:
            pass
    client.close()


async def test_a_frozen_server_delays_no_request_beyond_its_deadline(own_server: tuple[int, str]) -> None:
    postmaster, url = own_server
    with gunicorn(url, "--pythonpath=tests/smoke", "slow_app:app", WEB_CONCURRENCY="1", LOG_LEVEL="warning") as service:
        service.wait_until_serving()
        await for_a_while(service.url, 20, 0.5, ask)

        async def measure() -> dict[str, float]:
            with frozen(postmaster):
                answers, live = await storm(service)
            await until_recovered(service)
            healthy = await for_a_while(service.url, 10, 1.0, ask)
            await until_idle(service.management)

            assert set(answers.seconds) <= {503, 504}
            assert set(live.seconds) == set(healthy.seconds) == {200}
            assert answers.resets + live.resets + healthy.resets == 0
            return late(
                last_response=(answers.at(1.0, 503, 504), DEADLINE_SECONDS + LATE_SECONDS),
                live=(live.at(0.99, 200), OTHER_SECONDS),
            )

        assert await undisturbed(measure) == {}


async def test_a_frozen_backend_costs_the_request_on_it_only(own_server: tuple[int, str]) -> None:
    _postmaster, url = own_server
    with gunicorn(url, "--pythonpath=tests/smoke", "slow_app:app", WEB_CONCURRENCY="1", LOG_LEVEL="warning") as service:
        service.wait_until_serving()

        async def measure() -> dict[str, float]:
            load = asyncio.create_task(for_a_while(service.url, 10, BACKEND_FROZEN_SECONDS, ask))
            async with backend_frozen(url):
                live = await for_a_while(service.url, 1, BACKEND_FROZEN_SECONDS, ask_live)
                answers = await load
            await until_recovered(service)
            healthy = await for_a_while(service.url, 10, 1.0, ask)
            await until_idle(service.management)

            assert len(answers.of(503, 504)) == 1
            assert set(answers.seconds) - {503, 504} == set(live.seconds) == set(healthy.seconds) == {200}
            assert answers.resets + live.resets + healthy.resets == 0
            return late(
                last_response=(answers.at(1.0, 200, 503, 504), DEADLINE_SECONDS + LATE_SECONDS),
                unaffected=(answers.at(0.99, 200), OTHER_SECONDS),
                live=(live.at(0.99, 200), OTHER_SECONDS),
            )

        assert await undisturbed(measure) == {}

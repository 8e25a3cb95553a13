"""The database server stands still, all of it as on a host that swaps or one process: nothing refuses or answers."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg
import pytest

from app.downstreams.client import httpx
from devtools.postgres import server
from tests.databases import cloned, ensure_template
from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the server's processes in /proc")

FROZEN_SECONDS = 8.0
DEADLINE_SECONDS = 4.0

ONE_FROZEN_SECONDS = 5.0
"""Longer than the deadline, so that whoever waits for it is answered while it stands still."""

AT_WORK = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'PgSleep' AND query_start > clock_timestamp() - interval '20 ms'
ORDER BY query_start DESC LIMIT 1
"""
"""A process that serves the service and is in the middle of its statement, so that it holds nothing others wait for."""


def family_of(postmaster: int) -> list[int]:
    """Return the process id of the server and those of its children."""
    found = [postmaster]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text("ascii", errors="replace").rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
        if parent == postmaster:
            found.append(int(stat.parent.name))
    return found


@contextmanager
def frozen(postmaster: int) -> Iterator[None]:
    """Stop every process of the server for this time."""
    family = family_of(postmaster)
    for process in family:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in {*family, *family_of(postmaster)}:
            os.kill(process, signal.SIGCONT)


@asynccontextmanager
async def one_frozen(url: str) -> AsyncGenerator[None]:
    """Stop one process that serves the service for this time."""
    async with asyncio.timeout(10):
        while (process := await ask_for(url, AT_WORK)) is None:
            pass
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.fixture
def own_server() -> Iterator[tuple[int, str]]:
    """The process id of a server that no other test uses, and a migrated database on it."""
    with (
        tempfile.TemporaryDirectory() as name,
        server(Path(name) / "postgres", durable=False) as url,
        cloned(url, ensure_template(url)) as database,
    ):
        folder = Path(asyncio.run(ask_for(url, "SHOW data_directory")))
        yield int((folder / "postmaster.pid").read_text("ascii").split()[0]), database


async def ask_for(url: str, statement: str) -> Any:  # noqa: ANN401 - a value of any type
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


async def seconds_to_first_success(service: Service) -> float:
    started = perf_counter()
    client = Client(service.url, Answers())
    async with asyncio.timeout(10):
        while await client.ask("/slow") != 200:
            pass
    client.close()
    return perf_counter() - started


async def test_every_request_is_answered_in_time_and_the_service_is_back_at_once(own_server: tuple[int, str]) -> None:
    postmaster, url = own_server
    with gunicorn(url, "--pythonpath=tests/faults", "slow:app", WEB_CONCURRENCY="1", LOG_LEVEL="warning") as service:
        service.wait_until_serving()
        await for_a_while(service.url, 20, 0.5, ask)

        async def measure() -> dict[str, float]:
            with frozen(postmaster):
                answers, live = await storm(service)
            back = await seconds_to_first_success(service)
            healthy = await for_a_while(service.url, 10, 1.0, ask)
            gates = httpx.get(f"{service.url}/health/ready?verbose").json()["gates"]

            assert set(answers.seconds) <= {503, 504}
            assert set(live.seconds) == set(healthy.seconds) == {200}
            assert {(gate["in_use"], gate["waiting"]) for gate in gates.values()} == {(0, 0)}
            assert answers.resets + live.resets + healthy.resets == 0
            return late(
                last_answer=(answers.at(1.0, 503, 504), DEADLINE_SECONDS + 0.1),
                live=(live.at(0.99, 200), 0.05),
                first_success=(back, 0.5),
            )

        assert await undisturbed(measure) == {}


async def test_one_process_that_stands_still_costs_whoever_waits_for_it_and_nobody_else(
    own_server: tuple[int, str],
) -> None:
    _postmaster, url = own_server
    with gunicorn(url, "--pythonpath=tests/faults", "slow:app", WEB_CONCURRENCY="1", LOG_LEVEL="warning") as service:
        service.wait_until_serving()

        async def measure() -> dict[str, float]:
            load = asyncio.create_task(for_a_while(service.url, 10, ONE_FROZEN_SECONDS, ask))
            async with one_frozen(url):
                live = await for_a_while(service.url, 1, ONE_FROZEN_SECONDS, ask_live)
                answers = await load
            back = await seconds_to_first_success(service)
            healthy = await for_a_while(service.url, 10, 1.0, ask)
            gates = httpx.get(f"{service.url}/health/ready?verbose").json()["gates"]

            assert len(answers.of(503, 504)) == 1
            assert set(answers.seconds) - {503, 504} == set(live.seconds) == set(healthy.seconds) == {200}
            assert {(gate["in_use"], gate["waiting"]) for gate in gates.values()} == {(0, 0)}
            assert answers.resets + live.resets + healthy.resets == 0
            return late(
                last_answer=(answers.at(1.0, 200, 503, 504), DEADLINE_SECONDS + 0.1),
                others=(answers.at(0.99, 200), 0.5),
                live=(live.at(0.99, 200), 0.05),
                first_success=(back, 0.5),
            )

        assert await undisturbed(measure) == {}

"""Stuck route groups, or long transactions of background tasks, leave database connections for another route group."""

import asyncio
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from tests.databases import cloned
from tests.faults.bulkheads import until_idle
from tests.faults.clients import Answers, Client, for_a_while, late, undisturbed
from tests.faults.items_table import SCHEMA, execute, locked
from tests.faults.refusals import MOST_REFUSED, refused_ratio
from tests.http_client import httpx
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

LOCKED_SECONDS = 5.0
"""How long the table is locked, in seconds: longer than the lock timeout (1.5 s), so that the groups stay stuck."""

ONE_WORKER = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error"}
"""The environment variables of the service: with one worker, all requests and background tasks share a connection
pool."""

LOCKED = ("/left", "/right", "/middle")
"""The paths of three route groups whose requests wait for a locked table. If no connections were reserved for other
route groups, these requests would take the whole connection pool."""

APP = ("--pythonpath=tests/faults", "stuck_groups_app:app")


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service with one worker, and the URL of the database, whose table `items` a test locks."""
    with cloned(server_url, template) as url, gunicorn(url, *APP, **ONE_WORKER) as service:
        asyncio.run(execute(url, SCHEMA))
        service.wait_until_serving()
        yield service, url


async def ask(client: Client, path: str) -> None:
    await client.ask(path)
    await asyncio.sleep(0.05)


def refusals(answers: Answers) -> dict[str, float]:
    """Return the ratio of refusals if it is too large; only refusals and successes may be among the responses."""
    assert set(answers.seconds) <= {200, 503}
    assert answers.count > 20
    assert answers.resets == 0
    return late(refused=(refused_ratio(answers), MOST_REFUSED))


async def ask_unlocked(client: Client) -> None:
    await ask(client, "/unlocked")


async def test_three_stuck_route_groups_refuse_nothing_of_another(running: tuple[Service, str]) -> None:
    service, url = running

    async def measure() -> dict[str, float]:
        async with locked(url):
            *stuck, other = await asyncio.gather(
                *(for_a_while(service.url, 25, LOCKED_SECONDS, partial(ask, path=path)) for path in LOCKED),
                for_a_while(service.url, 5, LOCKED_SECONDS, ask_unlocked),
            )
        await until_idle(service.management)

        assert [set(answers.seconds) for answers in stuck] == [{503}] * len(LOCKED)
        return refusals(other)

    assert await undisturbed(measure) == {}


async def test_background_tasks_with_long_transactions_refuse_no_read(running: tuple[Service, str]) -> None:
    service, _ = running

    async def start_tasks() -> None:
        async with httpx.AsyncClient(base_url=service.url) as client:
            for _ in range(3):
                assert (await client.post("/background")).status_code == 200
                await asyncio.sleep(1)

    async def measure() -> dict[str, float]:
        _, reads = await asyncio.gather(start_tasks(), for_a_while(service.url, 5, LOCKED_SECONDS, ask_unlocked))
        await until_idle(service.management)
        return refusals(reads)

    assert await undisturbed(measure) == {}

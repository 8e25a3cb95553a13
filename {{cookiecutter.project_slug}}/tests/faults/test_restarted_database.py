"""The database is restarted: what is under way is told to come again, and nobody meets the ends of old connections."""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import pytest

from app.downstreams.client import httpx
from devtools.binaries import settle
from devtools.cluster import Cluster
from tests.databases import cloned, ensure_template
from tests.faults.timeline import mark
from tests.faults.watch import watched
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

BEFORE_SECONDS, AWAY_SECONDS, AFTER_SECONDS = 0.5, 0.5, 1.0
BACK_SECONDS = 0.25
"""After the database answers again, the service does too."""


@pytest.fixture
def restartable() -> Iterator[tuple[Cluster, Service]]:
    """A database server that no other test uses, and a service on it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "postgres"
        cluster = Cluster(*settle(folder), durable=True)  # or its data would be gone when it stops
        cluster.start()
        stack.callback(cluster.stop)
        database = stack.enter_context(cloned(cluster.url(), ensure_template(cluster.url())))
        arguments = ("--pythonpath=tests/faults", "slow:app")
        service = stack.enter_context(gunicorn(database, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error"))
        service.wait_until_serving()
        yield cluster, service


async def restart(cluster: Cluster, away: float) -> float:
    """Restart the server and return the moment from which it answers."""
    mark("the database stops")
    await asyncio.to_thread(cluster.stop)
    await asyncio.sleep(away)
    await asyncio.to_thread(cluster.start)
    mark("it answers again")
    return perf_counter()


async def test_under_load_it_is_503_while_it_is_away_and_good_when_it_is_back(
    restartable: tuple[Cluster, Service],
) -> None:
    cluster, service = restartable
    async with watched(service.url) as watch:
        await asyncio.sleep(BEFORE_SECONDS)
        back = await restart(cluster, AWAY_SECONDS)
        await asyncio.sleep(AFTER_SECONDS)
    statuses = Counter(one.status for one in watch.asked)
    late = watch.errors(back)

    assert set(statuses) == {200, 503}
    assert len(late) <= 5, late
    assert watch.errors(back + BACK_SECONDS) == []


@pytest.mark.smoke
async def test_while_idle_it_costs_nobody_anything(restartable: tuple[Cluster, Service]) -> None:
    cluster, service = restartable
    async with httpx.AsyncClient(base_url=service.url) as client:
        await asyncio.gather(*(client.get("/slow") for _ in range(10)))  # the pool is full of connections
        await restart(cluster, away=0)
        # a write first: a read would be run again, and take all old connections out of the pool
        answers = [await client.request("GET" if number % 2 else "POST", "/slow?seconds=0") for number in range(40)]

    assert Counter(answer.status_code for answer in answers) == {200: 40}


async def test_while_it_is_away_the_answer_says_when_to_come_again(restartable: tuple[Cluster, Service]) -> None:
    cluster, service = restartable
    await asyncio.to_thread(cluster.stop)
    async with httpx.AsyncClient(base_url=service.url) as client:
        answers = [await client.get("/slow"), await client.post("/slow"), await client.get("/health/live")]
    await asyncio.to_thread(cluster.start)

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["1", "1", None]

"""A restart of PostgreSQL under load: requests get 503 while PostgreSQL is down, and 200 once it runs again."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from time import perf_counter

import pytest

from devtools.cluster import Cluster
from tests.faults.timeline import add, fault
from tests.http_client import httpx
from tests.server.processes import Service
from tests.smoke.restarts import restartable
from tests.smoke.watch import CLIENTS, watched

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

AWAY_SECONDS = 0.5
"""The pause between the stop and the start of PostgreSQL, in seconds."""

REQUESTS_AFTER = 20 * CLIENTS
"""The number of requests after the restart, among which the test counts the 503 responses."""

ERRORS_AFTER = CLIENTS
"""The most 503 responses that may follow the restart: one for each client. On an idle machine, there are two at
most."""

PATIENCE_SECONDS = 30
"""The timeout of waiting for the requests after the restart, in seconds: ten times what the requests take."""


async def restart(cluster: Cluster, away: float) -> float:
    """Stop and start PostgreSQL; return the time, by `perf_counter`, at which PostgreSQL accepts connections again."""
    with fault("the database is away"):
        await asyncio.to_thread(cluster.stop)
        await asyncio.sleep(away)
        await asyncio.to_thread(cluster.start)
    return perf_counter()


@pytest.fixture
def restarted() -> Iterator[tuple[Cluster, Service]]:
    """A PostgreSQL server that the test may stop, and the service connected to one of its databases."""
    with restartable() as both:
        yield both


async def test_a_restart_under_load_is_503_and_then_200(restarted: tuple[Cluster, Service]) -> None:
    cluster, service = restarted
    async with watched(service.url) as watch:
        await watch.until_all_asked()
        back = await restart(cluster, AWAY_SECONDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(request.moment > back for request in watch.asked) < REQUESTS_AFTER:  # noqa: ASYNC110 - the watch has no event to wait for
                await asyncio.sleep(0.05)
    for request in watch.asked:
        add(request.moment, request.seconds, str(request.status or "reset"))
    after = Counter(request.status for request in watch.asked if request.moment > back)

    assert {request.status for request in watch.asked} == {200, 503}
    assert after[503] <= ERRORS_AFTER
    assert after[200] >= REQUESTS_AFTER - ERRORS_AFTER


async def test_without_a_database_a_request_is_503_with_retry_after(restarted: tuple[Cluster, Service]) -> None:
    cluster, service = restarted
    await asyncio.to_thread(cluster.stop)
    async with httpx.AsyncClient(base_url=service.url) as client:
        answers = [await client.get("/slow"), await client.post("/slow"), await client.get("/health/live")]
    await asyncio.to_thread(cluster.start)

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["1", "1", None]

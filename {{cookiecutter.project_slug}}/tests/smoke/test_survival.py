"""A killed worker, a restarted database, a stop under load and a full pool lose at most the requests in progress."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from time import perf_counter

import pytest

from devtools.cluster import Cluster
from tests.http_client import httpx
from tests.server.processes import Service, gunicorn
from tests.smoke.connections import client_ports
from tests.smoke.restarts import restartable
from tests.smoke.watch import CLIENTS, RESET, watched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs gunicorn, and looks for its workers in /proc")

SLOW = ("--pythonpath=tests/smoke", "slow_app:app")  # a path, not a module: importing `tests` would clear the settings

LATE_SECONDS = 0.1
"""The seconds after a worker's kill in which requests may still fail: the kernel needs a moment to close its
connections."""

PATIENCE_SECONDS = 30
"""How long to wait for a new worker or for the end of a shutdown, in seconds: ten times what each takes."""


async def test_a_killed_worker_loses_its_own_requests_and_is_replaced(committed_url: str) -> None:
    with gunicorn(committed_url, *SLOW) as service:
        service.wait_until_started()
        before = service.workers()
        async with watched(service.url) as watch:
            await watch.until_all_asked()
            victim = max(before, key=lambda worker: len(client_ports(worker, service)))
            await asyncio.sleep(0.1)  # the clients, blocked while /proc was read, send requests again
            os.kill(victim, signal.SIGSTOP)  # while the worker is stopped, its connections cannot change
            connected = client_ports(victim, service)
            os.kill(victim, signal.SIGKILL)
            killed = perf_counter()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(service.lines("Application startup complete.")) < 3:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
        after = service.workers()

    lost = [request.port for request in watch.asked if request.status == RESET]
    assert {request.status for request in watch.asked} <= {200, RESET}
    assert len(lost) == len(set(lost)) > 0  # each client lost one request at most
    assert set(lost) <= connected
    assert watch.errors(killed + LATE_SECONDS) == []
    assert len(after) == len(before)


@pytest.fixture
def restarted() -> Iterator[tuple[Cluster, Service]]:
    """A database server that the test may stop, and the service connected to one of its databases."""
    with restartable() as both:
        yield both


async def test_a_database_that_restarts_while_the_service_is_idle_costs_no_request(
    restarted: tuple[Cluster, Service],
) -> None:
    cluster, service = restarted
    async with httpx.AsyncClient(base_url=service.url) as client:
        await asyncio.gather(*(client.get("/slow") for _ in range(10)))  # opens all connections of the pool
        await asyncio.to_thread(cluster.stop)
        await asyncio.to_thread(cluster.start)
        # the first request after the restart is a write: a failed read would be retried, and remove all broken
        # connections from the pool
        answers = [await client.request("GET" if number % 2 else "POST", "/slow?seconds=0") for number in range(40)]

    assert Counter(answer.status_code for answer in answers) == {200: 40}


async def test_no_request_is_lost_by_a_stop_of_which_the_balancer_hears_a_second_late(committed_url: str) -> None:
    with gunicorn(committed_url, *SLOW, DRAIN_SECONDS="6", LOG_LEVEL="warning") as service:
        service.wait_until_serving()
        async with httpx.AsyncClient(base_url=service.url) as probe, watched(service.url) as watch:
            await watch.until_all_asked()
            service.process.terminate()
            stopped = perf_counter()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (ready := await probe.get("/health/ready")).is_success:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                    await asyncio.sleep(0.02)
            await asyncio.sleep(1)
        service.process.send_signal(signal.SIGINT)  # ends the drain, which is safe as no request is in progress
        code = await asyncio.to_thread(service.process.wait, PATIENCE_SECONDS)

    assert (ready.status_code, code) == (503, 0)
    assert {request.status for request in watch.asked} == {200}
    assert sum(request.moment > stopped for request in watch.asked) >= CLIENTS


async def test_a_full_pool_refuses_at_once_and_gives_every_connection_back(committed_url: str) -> None:
    variables = {"WEB_CONCURRENCY": "1", "DATABASE_POOL_LIMIT": "1", "LOG_LEVEL": "error"}
    with gunicorn(committed_url, *SLOW, **variables) as service:
        service.wait_until_serving()
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            asking = [asyncio.create_task(client.get("/slow?seconds=0.2")) for _ in range(60)]
            await asyncio.sleep(0.1)
            live = await client.get("/health/live")
            answers = await asyncio.gather(*asking)
            afterwards = await client.get("/slow")

    statuses = Counter(answer.status_code for answer in answers)
    assert (set(statuses), statuses[503] > statuses[200]) == ({200, 503}, True)
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
    assert (live.status_code, afterwards.status_code) == (200, 200)

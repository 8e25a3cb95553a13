"""The kernel kills a worker: what it was doing is lost, and nothing else."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from time import perf_counter

import pytest

from tests.faults.clients import Answers, Client
from tests.faults.connections import clients_of
from tests.faults.orphans import orphans
from tests.faults.timeline import mark
from tests.faults.watch import RESET, watched
from tests.server.processes import Service, gunicorn

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc"),
]

LATE_SECONDS = 0.1
"""After the kill nobody meets it any more."""

STATEMENT_SECONDS = 2.5
"""PostgreSQL's statement_timeout, as the settings have it."""

AGAIN_SECONDS = 3.0
"""Until another worker is in its place."""


@pytest.fixture
def service(committed_url: str) -> Iterator[Service]:
    """The service with two workers."""
    with gunicorn(committed_url, "--pythonpath=tests/faults", "slow:app") as running:
        running.wait_until_started()
        yield running


async def test_only_its_own_requests_are_lost_and_another_one_takes_its_place(service: Service) -> None:
    before = service.workers()
    async with watched(service.url) as watch:
        await asyncio.sleep(0.5)
        victim = max(before, key=lambda worker: len(clients_of(worker, service)))
        os.kill(victim, signal.SIGSTOP)  # so that what it has does not change while it is looked at
        theirs = clients_of(victim, service)
        os.kill(victim, signal.SIGKILL)
        killed = perf_counter()
        mark("a worker is killed")
        async with asyncio.timeout(AGAIN_SECONDS):
            while len(service.lines("Application startup complete.")) < 3:  # noqa: ASYNC110 - a log sets no event
                await asyncio.sleep(0.05)
        mark("another one serves")
        await asyncio.sleep(0.3)

    lost = [one.port for one in watch.asked if one.status == RESET]
    assert {one.status for one in watch.asked} <= {200, RESET}
    assert len(lost) == len(set(lost)) > 0  # each client had one request under way
    assert set(lost) <= theirs
    assert watch.errors(killed + LATE_SECONDS) == []
    assert len(service.workers()) == len(before)


async def test_its_queries_end_at_the_limit_of_the_server(service: Service, committed_url: str) -> None:
    """For nobody is left who could cancel them."""
    async with asyncio.TaskGroup() as group:
        for _ in range(4):  # fewer than one worker has connections
            group.create_task(Client(service.url, Answers()).ask("/slow?seconds=9"))
        async with asyncio.timeout(STATEMENT_SECONDS):
            while await orphans(committed_url) < 4:  # noqa: ASYNC110 - a server sets no event
                await asyncio.sleep(0.05)
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
    killed = perf_counter()
    while await orphans(committed_url):
        assert perf_counter() - killed < STATEMENT_SECONDS + 1
        await asyncio.sleep(0.1)

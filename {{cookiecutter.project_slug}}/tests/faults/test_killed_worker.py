"""SIGKILL ends a worker in the middle of statements: PostgreSQL ends them at the statement timeout."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from time import perf_counter

import pytest

from tests.faults.clients import Answers, Client
from tests.faults.running_statements import running_statements
from tests.faults.timeline import mark
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")

STATEMENT_SECONDS = 9
"""The seconds that each statement takes without a timeout; the service's statement_timeout is 2.5 s."""


@pytest.fixture
def service(committed_url: str) -> Iterator[Service]:
    """The service of `slow_app.py` with two workers, which a test kills."""
    with gunicorn(committed_url, "--pythonpath=tests/smoke", "slow_app:app") as running:
        running.wait_until_started()
        yield running


async def test_the_statements_of_a_killed_worker_end_at_the_statement_timeout(
    service: Service, committed_url: str
) -> None:
    """A killed worker cannot cancel its statements: only PostgreSQL's statement timeout ends them."""
    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(4):  # fewer than a worker's database connections, so that no statement waits
            group.create_task(Client(service.url, Answers()).ask(f"/slow?seconds={STATEMENT_SECONDS}"))
        async with asyncio.timeout(STATEMENT_SECONDS):
            while await running_statements(committed_url) < 4:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                await asyncio.sleep(0.05)
        mark("SIGKILL")
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
    while await running_statements(committed_url):
        assert perf_counter() - started < STATEMENT_SECONDS - 1
        await asyncio.sleep(0.1)

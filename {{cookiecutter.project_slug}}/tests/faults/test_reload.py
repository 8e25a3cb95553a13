"""A reload with SIGHUP under load: new workers replace the old workers, and no request is lost."""

import asyncio
import signal
import sys
from time import perf_counter

import pytest

from tests.faults.clients import Answers
from tests.faults.timeline import fault
from tests.faults.traffic import traffic
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")

SLOW = ("--pythonpath=tests/smoke", "slow_app:app")
REQUESTS = 20_000
"""The number of responses after which the test sends no further SIGHUP. If the service closed connections without
announcing it, a reload would lose one in about 7,000 requests."""

SECONDS = 200.0
"""The longest time for all reloads, in seconds: ten times what the 20,000 requests take."""


async def reload(service: Service) -> None:
    """Send SIGHUP to gunicorn, and wait until new workers have replaced all old workers."""
    old = service.workers()
    with fault("SIGHUP, until all workers are new"):
        service.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(60):
            while len(service.workers()) != len(old) or service.workers() & old:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                await asyncio.sleep(0.05)


async def reload_under_load(database_url: str) -> Answers:
    with gunicorn(database_url, *SLOW, LOG_LEVEL="warning", DRAIN_SECONDS="2") as service:
        service.wait_until_serving()
        ends = perf_counter() + SECONDS
        async with traffic(service.url) as flow:
            while flow.answers.count < REQUESTS and perf_counter() < ends:
                await reload(service)
                await asyncio.sleep(0.5)
    return flow.answers


async def test_a_reload_loses_no_request(committed_url: str) -> None:
    answers = await reload_under_load(committed_url)

    assert answers.failures == {}
    assert answers.count >= REQUESTS

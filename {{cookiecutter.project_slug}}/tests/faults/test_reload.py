"""SIGHUP under load: new workers take over from the old ones, and nobody notices."""

import asyncio
import signal
import sys
from time import perf_counter

import pytest

from tests.faults.clients import Answers
from tests.faults.timeline import mark
from tests.faults.traffic import traffic
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")

SLOW = ("--pythonpath=tests/faults", "slow:app")
REQUESTS, SECONDS = 20_000, 60.0
"""The test ends with the first reload after so many; no machine takes so long for them."""


async def reload(service: Service) -> None:
    """Send SIGHUP and wait until all workers are others."""
    old = service.workers()
    mark("SIGHUP")
    service.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(30):
        while len(service.workers()) != len(old) or service.workers() & old:  # noqa: ASYNC110 - gunicorn has no event
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


async def test_nobody_notices_a_reload(committed_url: str) -> None:
    answers = await reload_under_load(committed_url)

    assert answers.failures == {}
    assert answers.count >= REQUESTS

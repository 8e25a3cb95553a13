"""A killed gunicorn master: its workers finish their requests and end, so that a new master can bind the port."""

import asyncio
import signal
import sys

import pytest

from tests.faults.clients import Answers, Client
from tests.faults.timeline import fault
from tests.server.processes import START_SECONDS, gunicorn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the metrics folder in /proc")

SLOW = ("--pythonpath=tests/smoke", "slow_app:app")


async def test_the_workers_of_a_killed_master_answer_their_requests_and_end(committed_url: str) -> None:
    """At each heartbeat, here every second, a gunicorn worker checks that the master process still runs."""
    with gunicorn(committed_url, *SLOW, "--timeout=2") as service:
        service.wait_until_started()
        folder = service.metrics_folder()
        request = asyncio.create_task(Client(service.url, Answers()).ask("/slow?seconds=2"))
        await asyncio.sleep(0.5)
        with fault("SIGKILL to the master, until its workers have ended"):
            service.process.send_signal(signal.SIGKILL)
            status = await request
            async with asyncio.timeout(START_SECONDS):
                while len(service.lines("application stopped")) < 2 or folder.exists():  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                    await asyncio.sleep(0.05)
        reasons = service.lines("master process was killed, worker shuts down")

    assert (status, len(reasons)) == (200, 2)

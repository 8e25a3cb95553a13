"""Metrics under gunicorn: exact after a worker is killed, and deleted when the service ends."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.http_client import httpx
from tests.scrape import OPENER, scraped, total
from tests.server.processes import Service, gunicorn
from tests.tasks import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="gunicorn, and a look at its processes in /proc")


def ask(service: Service, count: int) -> None:
    """Send requests on new connections, so that both workers get some of the requests."""
    for _ in range(count):
        OPENER.open(f"{service.url}/health/live").close()


def counted(service: Service) -> float:
    return total(scraped(service.management), "http_server_request_duration_seconds_count", http_route="/health/live")


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def test_each_request_is_counted_once_through_a_killed_worker(committed_url: str) -> None:
    with gunicorn(committed_url) as service:
        service.wait_until_started()
        folder = service.metrics_folder()
        ask(service, 300)
        await until(lambda: counted(service) >= 300)  # a worker counts a request just after its response
        files = names(folder)
        os.kill(min(service.workers()), signal.SIGKILL)
        service.wait_for("Application startup complete.", 3)
        after_kill = counted(service)
        ask(service, 20)
        await until(lambda: counted(service) >= 320)

        assert (after_kill, counted(service)) == (300, 320)
        assert names(folder) == files
        await until(lambda: httpx.get(f"{service.management}/health/ready").json()["status"] == "ready")
        assert b"/<wbr>health/<wbr>live" in OPENER.open(service.management).read()
        assert (service.stop(), len(service.lines("application stopped"))) == (0, 2)
        assert not any(folder.parent.glob(folder.name))

"""Under gunicorn: background tasks at SIGTERM, and a worker whose event loop is blocked."""

import sys
import threading
from contextlib import suppress

import pytest

from tests.http_client import httpx
from tests.server.processes import NO_DEADLINES, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

APP = (
    "--pythonpath=tests/server",
    "background_work_app:app",
)  # loaded by path: an import of the package `tests` would remove the service's environment variables


def test_background_tasks_finish_after_sigterm_or_are_reported(committed_url: str) -> None:
    variables = {"GRACEFUL_SHUTDOWN_SECONDS": "6", "ROUTE_GROUPS": NO_DEADLINES}
    with gunicorn(committed_url, *APP, **variables) as service:
        service.wait_until_started()
        assert httpx.get(f"{service.url}/start").status_code == 200
        code = service.stop()
        done = sorted(line["number"] for line in service.lines("work done"))
        lost = sorted(line["task"] for line in service.lines("background task cancelled at shutdown"))

    assert (code, done, lost) == (0, [0, 1, 2], ["work 3", "work 4"])


def test_a_blocked_worker_is_noticed_by_its_monitor_thread_by_the_probe_and_by_the_master(committed_url: str) -> None:
    def block() -> None:
        with suppress(httpx.HTTPError):
            httpx.get(f"{service.url}/block", timeout=60)

    with gunicorn(committed_url, *APP, "--timeout=3", WEB_CONCURRENCY="1") as service:
        service.wait_until_started(workers=1)
        request = threading.Thread(target=block)
        request.start()
        line = service.wait_for("event loop is blocked", path="/block")[0]
        with pytest.raises(httpx.TransportError):  # the blocked worker does not respond, or is killed meanwhile
            httpx.get(f"{service.url}/health/ready", timeout=1)
        service.wait_until_started(workers=2)  # the second start is that of the worker that replaces the killed worker
        ready = httpx.get(f"{service.url}/health/ready", timeout=50)
        request.join()

    assert (line["path"], "background_work_app.py" in line["stack"]) == ("/block", True)
    assert (ready.status_code, ready.json()["reasons"]) == (200, [])

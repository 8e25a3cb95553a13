"""Background tasks when the process is told to stop, and a worker whose event loop is blocked."""

import sys
import threading
from contextlib import suppress

import pytest

from app.downstreams.client import httpx
from tests.server.processes import NO_DEADLINES, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

APP = ("--pythonpath=tests/server", "work:app")  # not as a part of `tests`, which takes the variables away


def test_tasks_finish_after_sigterm_or_are_reported(committed_url: str) -> None:
    variables = {"WEB_CONCURRENCY": "1", "GRACEFUL_STOP_SECONDS": "6", "FAMILIES": NO_DEADLINES}
    with gunicorn(committed_url, *APP, **variables) as service:
        service.wait_until_started(workers=1)
        assert httpx.get(f"{service.url}/start").status_code == 200
        code = service.stop()
        done = sorted(line["number"] for line in service.lines("work done"))
        lost = sorted(line["task"] for line in service.lines("background task did not finish"))

    assert (code, done, lost) == (0, [0, 1, 2], ["work 3", "work 4"])


def test_a_blocked_worker_is_noticed_by_the_probe_by_its_own_thread_and_by_the_master(committed_url: str) -> None:
    def ask() -> None:
        with suppress(httpx.HTTPError):
            httpx.get(f"{service.url}/block", timeout=30)

    with gunicorn(committed_url, *APP, "--timeout=3", WEB_CONCURRENCY="1") as service:
        service.wait_until_started(workers=1)
        asking = threading.Thread(target=ask)
        asking.start()
        (line,) = service.wait_for("event loop is blocked")
        with pytest.raises(httpx.TimeoutException):
            httpx.get(f"{service.url}/health/ready", timeout=1)
        service.wait_until_started(workers=2)  # the master has killed it and started another
        ready = httpx.get(f"{service.url}/health/ready", timeout=5)
        asking.join()

    assert (line["path"], "work.py" in line["stack"]) == ("/block", True)
    assert (ready.status_code, ready.json()["reasons"]) == (200, [])

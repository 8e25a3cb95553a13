"""Starts the service under gunicorn, as in production, and reads its JSON log."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from app.settings.route_groups import RouteGroupsSettings
from devtools.ports import free_port
from tests.databases import ROOT, cloned
from tests.http_client import httpx

START_SECONDS = 60
"""How long to wait for a start or a log line, in seconds: a start takes 2 s, but many times as long on a busy machine.
"""

NO_DEADLINES = json.dumps({name: {"deadline_seconds": 0} for name in RouteGroupsSettings.model_fields})
"""The variable ROUTE_GROUPS without deadlines, for tests with a short GRACEFUL_SHUTDOWN_SECONDS: the service refuses a
deadline that is longer."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running gunicorn with the service: master process, URL, log file and management URL."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    management: str

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the log lines of an event, or all lines, as dictionaries; a line that is not JSON fails the test.

        A last line without a line feed is left out: a worker may be writing it.
        """
        complete, _, _ = self.log.read_bytes().rpartition(b"\n")
        parsed: list[dict[str, Any]] = [json.loads(line) for line in complete.splitlines()]
        return [line for line in parsed if event in {None, line["event"]}]

    def errors(self) -> list[str]:
        """Return the events of all log lines of level error, but not those about stalls: a busy machine blocks too."""
        return [line["event"] for line in self.lines() if line["level"] == "error" and "blocked" not in line["event"]]

    def wait_for(self, event: str, count: int = 1, **fields: object) -> list[dict[str, Any]]:
        """Wait for `count` log lines of an event with these fields, since workers log after the response.

        Raises:
            AssertionError: gunicorn ended or the time was over before the lines came; the message has the whole
                log.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            found = [line for line in self.lines(event) if fields.items() <= line.items()]
            if len(found) >= count:
                return found
            if ended:
                break
            time.sleep(0.02)
        raise AssertionError(f"no {count} x {event!r} in the log:\n{self.log.read_text('utf-8')}")

    def wait_until_started(self, workers: int = 2) -> None:
        """Wait until this number of gunicorn workers have logged a complete start."""
        self.wait_for("Application startup complete.", workers)

    def wait_until_serving(self) -> None:
        """Wait until the service's liveness probe succeeds, for log levels at which a start logs nothing."""
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(base_url=self.url) as client:  # one client: `httpx.get` would take 36 ms of CPU each time
            while time.monotonic() < deadline and self.process.poll() is None:
                with suppress(httpx.HTTPError):
                    if client.get("/health/live").is_success:
                        return
                time.sleep(0.02)
        raise AssertionError(f"the service does not answer:\n{self.log.read_text('utf-8')}")

    def children(self) -> set[int]:
        """Return the process ids of the gunicorn master's children, workers and metrics exporter, read from /proc."""
        master = self.process.pid
        return {int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text("ascii").split()}

    def workers(self) -> set[int]:
        """Return the process ids of the gunicorn workers, without the metrics exporter, which leads a session."""
        return {pid for pid in self.children() if session_of(pid) != pid}

    def metrics_folder(self) -> Path:
        """Return the folder of the metrics files, read from the arguments of the exporter process."""
        (pid,) = self.children() - self.workers()
        return Path(json.loads(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2])["folder"])

    def stop(self) -> int:
        """Send SIGTERM to gunicorn's master, wait for its end, and return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)


def session_of(pid: int) -> int | None:
    """Return the session id of a process; None if the process has just ended."""
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


@contextmanager
def gunicorn(database_url: str, *arguments: str, **variables: str) -> Iterator[Service]:
    """Run the service under gunicorn on a free port, and kill all processes at the end of the `with` block."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file, gunicorn_writing_to(file, log, database_url, *arguments, **variables) as service:
            yield service


@contextmanager
def serving(server_url: str, template: str, *arguments: str, **variables: str) -> Iterator[Service]:
    """Yield the service under gunicorn, on a clone of the migrated database, once requests are served."""
    with cloned(server_url, template) as url, gunicorn(url, *arguments, **variables) as service:
        service.wait_until_serving()
        yield service


@contextmanager
def gunicorn_writing_to(
    output: IO[bytes], log: Path, database_url: str, /, *arguments: str, ulimit: str = "", **variables: str
) -> Iterator[Service]:
    """Run the service under gunicorn during the `with` block, with output to a file, pipe or terminal.

    The shell command `ulimit` lowers limits of the service's processes, as in `ulimit -n 160`.
    """
    port, management = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "ENVIRONMENT": "development",
        "PORT": str(port),
        "MANAGEMENT_PORT": str(management),
        "WEB_CONCURRENCY": "2",
        "DRAIN_SECONDS": "0",  # no drain at shutdown, as tests have no load balancer that needs the time
    }
    # variables of the ablation, which runs fault tests with a defence of the service switched off
    environment |= {name: os.environ[name] for name in ("ABLATED", "PYTHONPATH") if "ABLATED" in os.environ}
    limited = ["sh", "-c", f'{ulimit} && exec "$@"', "sh"] if ulimit else []
    process = subprocess.Popen(
        [*limited, sys.executable, "-m", "app.server", *arguments],
        cwd=ROOT,
        env=environment | variables,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a new process group, so that killpg() also ends workers that outlive the master
    )
    service = Service(process, f"http://127.0.0.1:{port}", log, f"http://127.0.0.1:{management}")
    try:
        yield service
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

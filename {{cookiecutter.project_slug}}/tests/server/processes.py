"""Start the service under gunicorn as production does, and read what it wrote."""

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

from app.downstreams.client import httpx
from app.families import FamiliesSettings
from devtools.ports import free_port
from tests.databases import ROOT

START_SECONDS = 20

NO_DEADLINES = json.dumps({name: {"deadline_seconds": 0} for name in FamiliesSettings.model_fields})
"""For FAMILIES, where a short GRACEFUL_STOP_SECONDS leaves no room for a deadline."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running gunicorn."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the log so far, one dictionary a line; a line that is no JSON fails the test."""
        parsed: list[dict[str, Any]] = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        return [line for line in parsed if event in {None, line["event"]}]

    def wait_for(self, event: str, count: int = 1, **fields: object) -> list[dict[str, Any]]:
        """Return the lines of this event with these fields once there are `count`; a worker writes after it answers.

        Raises:
            AssertionError: they did not come, or the process ended; with the whole log.
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
        """Wait until every worker serves."""
        self.wait_for("Application startup complete.", workers)

    def wait_until_serving(self) -> None:
        """Wait until it answers; for a service that writes no line about its start."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/health/live").is_success:
                    return
            time.sleep(0.02)
        raise AssertionError(f"it does not answer:\n{self.log.read_text('utf-8')}")

    def workers(self) -> set[int]:
        """Return the process ids of the workers; on Linux."""
        master = self.process.pid
        return {int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text("ascii").split()}

    def stop(self) -> int:
        """Send SIGTERM to the master and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)


@contextmanager
def gunicorn(database_url: str, *arguments: str, **variables: str) -> Iterator[Service]:
    """Serve on a free port until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file, gunicorn_writing_to(file, log, database_url, *arguments, **variables) as service:
            yield service


@contextmanager
def gunicorn_writing_to(
    output: IO[bytes], log: Path, database_url: str, /, *arguments: str, **variables: str
) -> Iterator[Service]:
    """Do the same with another output than the log."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "ENVIRONMENT": "development",
        "PORT": str(port),
        "WEB_CONCURRENCY": "2",
        "DRAIN_SECONDS": "0",  # no test waits for it but those that are about it
    }
    if "WITHOUT" in os.environ:  # see tests/faults/ablate.py
        environment |= {name: os.environ[name] for name in ("WITHOUT", "PYTHONPATH")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *arguments],
        cwd=ROOT,
        env=environment | variables,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a group of its own: what outlives the master is ended with it
    )
    service = Service(process, f"http://127.0.0.1:{port}", log)
    try:
        yield service
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

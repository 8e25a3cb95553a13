"""Load from the program wrk: clients that send requests without a pause, and the figures of wrk."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads import Workload

SCRIPT = Path(__file__).with_name("wrk.lua")

MOST_FAILED = 0.05
"""The largest allowed fraction of responses with an error status: with more errors, a rate says nothing."""


class LoadError(Exception):
    """The program wrk could not send the load, or the responses were errors."""


@dataclass(frozen=True, slots=True)
class Load:
    """A run's figures as the clients see them; times are in milliseconds."""

    requests: int
    seconds: float
    broken: int
    """The number of broken connections and of requests without a response."""
    failed: int
    """The number of responses with an error status, such as 503 for a refused request."""
    p50: float
    p99: float
    p999: float

    @property
    def rate(self) -> float:
        """Successful responses per second."""
        return (self.requests - self.failed) / self.seconds


def find_wrk() -> str:
    """Return the path of wrk.

    Raises:
        LoadError: wrk is not installed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise LoadError(
            "wrk is not installed; it is in most distributions, as in: apt-get install wrk, or brew install wrk"
        )
    return program


def send(url: str, workload: Workload, connections: int, seconds: float) -> Load:
    """Send requests on `connections` connections without a pause for `seconds`, and return the figures.

    Raises:
        LoadError: wrk is not installed, a connection broke, or more than MOST_FAILED of the responses are errors.
    """
    options = [f"-c{connections}", "-t1", f"-d{max(1, round(seconds))}s", "--timeout=10s", "-s", str(SCRIPT)]
    arguments = [workload.method, workload.path, str(workload.ids), workload.body]
    done = subprocess.run(
        [find_wrk(), *options, url, *arguments], capture_output=True, text=True, check=False, timeout=seconds + 30
    )
    if done.returncode:
        raise LoadError(done.stdout + done.stderr)
    load = Load(**json.loads(done.stdout.splitlines()[-1]))
    if load.broken or load.failed > load.requests * MOST_FAILED:
        errors = f"{load.failed} of {load.requests} answers to {workload.name} are errors, {load.broken} broke off"
        raise LoadError(f"{errors}:\n{done.stdout}")
    return load

"""Load from wrk: clients that ask without a pause, and the figures of wrk."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads import Workload

SCRIPT = Path(__file__).with_name("wrk.lua")

MOST_FAILED = 0.05
"""The largest part of answers with an error status; with more, the figures say nothing about the work."""


class LoadError(Exception):
    """The load could not be sent, or was answered with errors."""


@dataclass(frozen=True, slots=True)
class Load:
    """Figures of a run from the side of the clients; times in milliseconds."""

    requests: int
    seconds: float
    broken: int
    """Connections that broke, and requests without an answer."""
    failed: int
    """Answers with an error status, such as 503 for a request that was refused."""
    p50: float
    p99: float
    p999: float

    @property
    def rate(self) -> float:
        """Good answers per second."""
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
    """Keep `connections` clients busy for some seconds.

    Raises:
        LoadError: wrk is not installed, a connection broke, or more than MOST_FAILED of the answers are errors.
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

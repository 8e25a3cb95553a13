"""Start-up time: seconds from the start of the service's interpreter until the service is ready."""

import subprocess
import time
from statistics import median

from benchmarks.build import LEAN_PYTHON, SERVICE_FOLDER
from benchmarks.servers import UNUSED
from tests.programs import environment

STARTS = 5


def start_seconds(database_url: str) -> float:
    """Return the median of some starts; the first start warms the disk's cache and does not count."""
    return median([start_once(database_url) for _ in range(STARTS + 1)][1:])


def start_once(database_url: str) -> float:
    """Return the seconds of one start.

    Raises:
        RuntimeError: the service ended before it was ready.
    """
    variables = environment({"DATABASE_URL": database_url, "LOG_LEVEL": "error"} | UNUSED)
    started = time.perf_counter()
    with subprocess.Popen(
        [str(LEAN_PYTHON), "-m", "measurements.startup_time"],
        cwd=SERVICE_FOLDER,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        seconds = time.perf_counter() - started
    if line != "ready\n":
        raise RuntimeError(f"The service did not become ready: {line!r}")
    return seconds

"""Time how long the service takes from the start of its interpreter to ready."""

import subprocess
import time
from statistics import median

from tests.programs import environment

from benchmarks.build import LEAN_PYTHON, SERVICE

TIMES = 5


def start_seconds(database_url: str) -> float:
    """Return the median of a few starts; the first one warms the disk's cache and does not count."""
    return median([_one(database_url) for _ in range(TIMES + 1)][1:])


def _one(database_url: str) -> float:
    variables = environment({"DATABASE_URL": database_url, "LOG_LEVEL": "error"})
    started = time.perf_counter()
    with subprocess.Popen(
        [str(LEAN_PYTHON), "-m", "bench.startup"], cwd=SERVICE, env=variables, stdout=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        seconds = time.perf_counter() - started
    if line != "ready\n":
        raise RuntimeError(f"The service did not become ready: {line!r}")
    return seconds

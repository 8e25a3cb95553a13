"""Start-up time: the seconds from the start of the service's interpreter until the service is ready."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.build import LEAN_PYTHON, SERVICE_FOLDER
from benchmarks.servers import UNUSED
from tests.programs import environment

STARTS = 7

LIBRARIES = "import fastapi, sqlalchemy.ext.asyncio, asyncpg, httpx, aiohttp; print('ready', flush=True)"
"""A program that only imports the libraries, as every service with these libraries does when started."""


@dataclass(frozen=True, slots=True)
class Starts:
    """The median start-up time of the service in seconds, and the median ratio to importing the libraries alone."""

    seconds: float
    ratio: float


def measure(database_url: str, starts: int = STARTS) -> Starts:
    """Start the service and import the libraries in turn; the first turn fills the disk cache and does not count."""
    turns = [(start_once(database_url), import_once()) for _ in range(starts + 1)][1:]
    return Starts(median(start for start, _ in turns), median(start / libraries for start, libraries in turns))


def start_once(database_url: str) -> float:
    """Return the seconds from one start of the service until all readiness checks have passed."""
    return _seconds_until_ready(["-m", "measurements.startup_time"], {"DATABASE_URL": database_url} | UNUSED)


def import_once() -> float:
    """Return the seconds in which a new Python interpreter imports the libraries."""
    return _seconds_until_ready(["-c", LIBRARIES], {})


def _seconds_until_ready(arguments: Sequence[str], variables: dict[str, str]) -> float:
    """Return the seconds until a program prints "ready".

    Raises:
        RuntimeError: the program ended before it was ready.
    """
    own = environment(variables | {"LOG_LEVEL": "error"})
    started = time.perf_counter()
    with subprocess.Popen(
        [str(LEAN_PYTHON), *arguments], cwd=SERVICE_FOLDER, env=own, stdout=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        seconds = time.perf_counter() - started
    if line != "ready\n":
        raise RuntimeError(f"The program did not become ready: {line!r}")
    return seconds

"""A log without a reader or without disk space: requests are served, and a later log line counts the lost lines."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.faults.clients import Answers, Client
from tests.faults.log_collector import LogCollector, collected
from tests.faults.timeline import fault, mark
from tests.server.processes import Service, gunicorn_writing_to

resource = pytest.importorskip("resource", reason="Windows has none")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fills pipes and disks as Linux has them")

CLIENTS, REQUESTS_PER_CLIENT = 10, 60
"""The number of concurrent clients, and of the requests that each client sends in a round."""

REQUESTS = CLIENTS * REQUESTS_PER_CLIENT
LINES = 2 * REQUESTS
"""The log lines of a round of requests: for each request a padded line and an access log line."""

LONG = 60_000
"""The characters of a long log line: the 600 long lines of a round are more than twice the 16 MiB that a worker buffers
for a slow reader."""

PAGE = 1_000
"""The characters of a short log line: a few hundred lines fill a pipe that has no reader."""

STOP_SECONDS = 30.0
"""How long to wait for the service's end, in seconds: ten times a shutdown of 3 s. A service that waited for a reader
of its log would never end."""

LOST_RATIO = 0.5
"""The least ratio of lost lines to the lines during a fault. Some lines survive the fault: the worker buffers the last
lines for 20 ms, or longer on a busy machine, and writes them afterwards."""

GATHER_SECONDS = 0.3
"""The pause in seconds before a fault ends: the worker tries meanwhile to write its buffered lines, and loses them."""

TIMEOUT_SECONDS = 60.0
"""The timeout of a round of requests, in seconds: ten times as long as needed. The requests would never end if writing
a log line blocked on a full pipe."""


@contextmanager
def logging_service(url: str, output: IO[bytes], log: Path) -> Iterator[Service]:
    """Run the service of `logging_app.py` with one worker that logs to `output`.

    LOOP_STALL_SECONDS is 0, since a logged stall of a slow machine's event loop would disturb the count of lines.
    MANAGEMENT_PORT is 0, since the limit on file sizes would apply to the metrics files too.
    """
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "info", "LOOP_STALL_SECONDS": "0", "MANAGEMENT_PORT": "0"}
    log.touch()
    with gunicorn_writing_to(output, log, url, "--pythonpath=tests/faults", "logging_app:app", **variables) as service:
        service.wait_until_serving()
        yield service


async def ask_all(service: Service, length: int = 0) -> None:
    """Send a round of requests from all clients, and check that every response is a 200."""
    answers = Answers()

    async def ask() -> None:
        client = Client(service.url, answers)
        for _ in range(REQUESTS_PER_CLIENT):
            await client.ask(f"/log?length={length}")
        client.close()

    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(*(ask() for _ in range(CLIENTS)))

    assert (answers.resets, len(answers.of(200)), answers.count) == (0, REQUESTS, REQUESTS)


async def lines_collected(collector: LogCollector, count: int) -> tuple[int, int]:
    """Read from the collector until `count` lines are received or reported as lost; return both counts."""
    await collector.read_until(count, "padded line", "request")
    return collector.events["padded line"] + collector.events["request"], collector.events["lost"]


@pytest.fixture
def full() -> Iterator[IO[bytes]]:
    """The device /dev/full, where every write fails with ENOSPC, as on a full disk."""
    with Path("/dev/full").open("wb", buffering=0) as opened:
        yield opened


async def test_a_full_disk_stops_no_request(committed_url: str, full: IO[bytes], tmp_path: Path) -> None:
    with logging_service(committed_url, full, tmp_path / "log") as service, fault("the disk is full"):
        await ask_all(service)


def limit_files(service: Service, size: int) -> None:
    """Limit the size of files that the worker may write, so that log writes fail as on a full disk."""
    (worker,) = service.workers()
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def lines_written(service: Service, count: int) -> tuple[int, int]:
    """Wait until `count` lines are in the log file or reported there as lost; return both counts."""
    came = lost = 0
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while came + lost < count:
            came = len(service.lines("padded line")) + len(service.lines("request"))
            lost = sum(line["lines"] for line in service.lines("log lines lost"))
            await asyncio.sleep(0.05)
    return came, lost


async def test_once_the_disk_has_room_again_the_lost_lines_are_counted(committed_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file, logging_service(committed_url, file, log) as service:
        service.wait_until_started(workers=1)
        with fault("the disk is full"):
            limit_files(service, service.log.stat().st_size)
            await ask_all(service)
            await asyncio.sleep(GATHER_SECONDS)
        limit_files(service, resource.RLIM_INFINITY)
        await ask_all(service)
        came, lost = await lines_written(service, 2 * LINES)

    assert came + lost == 2 * LINES
    assert LINES * LOST_RATIO <= lost <= LINES


async def test_once_the_collector_is_back_the_lost_lines_are_counted(committed_url: str, tmp_path: Path) -> None:
    with collected(tmp_path) as (collector, pipe), logging_service(committed_url, pipe, tmp_path / "log") as service:
        await collector.read_until(1, "Application startup complete.")
        with fault("the collector is away"):
            collector.close()
            await ask_all(service)
            await asyncio.sleep(GATHER_SECONDS)
        collector.open()
        await ask_all(service)
        came, lost = await lines_collected(collector, 2 * LINES)

    assert came + lost == 2 * LINES
    assert LINES * LOST_RATIO <= lost <= LINES


async def test_once_a_slow_collector_reads_on_the_lost_lines_are_counted(committed_url: str, tmp_path: Path) -> None:
    with collected(tmp_path) as (collector, pipe), logging_service(committed_url, pipe, tmp_path / "log") as service:
        await collector.read_until(1, "Application startup complete.")
        await ask_all(service, LONG)
        came, lost = await lines_collected(collector, LINES)

    assert came + lost == LINES
    assert lost > REQUESTS * 0.3
    assert collector.events["padded line"] > REQUESTS * 0.3  # lines in the worker's buffer are not lost


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "stuck"])
async def test_a_stop_does_not_wait_for_the_collector(committed_url: str, tmp_path: Path, closes: bool) -> None:
    with collected(tmp_path) as (collector, pipe), logging_service(committed_url, pipe, tmp_path / "log") as service:
        await ask_all(service, PAGE)
        if closes:
            collector.close()
        mark("SIGTERM")
        service.process.terminate()
        code = await asyncio.to_thread(service.process.wait, STOP_SECONDS)

    assert code == 0

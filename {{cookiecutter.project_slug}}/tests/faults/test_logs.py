"""Nobody takes the lines of the log: requests go on, and who reads again is told how many lines there are not."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.faults.clients import Answers, Client
from tests.faults.collector import Collector, collected
from tests.server.processes import Service, gunicorn_writing_to

resource = pytest.importorskip("resource", reason="Windows has none")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="fills pipes and disks as Linux has them"),
]

CLIENTS, EACH = 10, 60
REQUESTS = CLIENTS * EACH
LINES = 2 * REQUESTS
"""Each request writes one of its own, and one of the access log."""

LONG = 60_000
"""Bytes of a line: 600 of them are more than twice the 16 MiB that wait at most for a reader."""

PAGE = 1_000
"""Bytes of a line of which a few hundred fill a pipe to the last byte."""

STOP_SECONDS = 15.0
"""It takes 3 s, 2 of them for lines that nobody reads; whoever waited for the reader would be killed after 30."""

MOST = 0.5
"""What is lost at least of the lines that go nowhere: the last ones gather for 20 ms, longer in a busy process."""

GATHER_SECONDS = 0.3
"""What those get before the others can be read again."""

LONGEST_SECONDS = 2.0
"""For any answer. It takes milliseconds; whoever waited for the reader would wait for ever."""


@contextmanager
def talker(url: str, output: IO[bytes], log: Path) -> Iterator[Service]:
    """One worker; it writes no line but those that are counted, however slow the machine is."""
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "info", "LOOP_STALL_SECONDS": "0"}
    log.touch()
    with gunicorn_writing_to(output, log, url, "--pythonpath=tests/faults", "talker:app", **variables) as service:
        service.wait_until_serving()
        yield service


async def ask_all(service: Service, length: int = 0) -> None:
    """Send all requests; each is answered, and soon."""
    answers = Answers()

    async def ask() -> None:
        client = Client(service.url, answers)
        for _ in range(EACH):
            await client.ask(f"/talk?length={length}")
        client.close()

    async with asyncio.timeout(60):
        await asyncio.gather(*(ask() for _ in range(CLIENTS)))

    assert (answers.resets, len(answers.of(200)), answers.count) == (0, REQUESTS, REQUESTS)
    assert answers.at(1.0, 200) < LONGEST_SECONDS


async def lines_told(collector: Collector, count: int) -> tuple[int, int]:
    """Read on until so many lines are accounted for; return how many came, and how many were lost."""
    await collector.read_until(count, "talk", "request")
    return collector.events["talk"] + collector.events["request"], collector.events["lost"]


@pytest.fixture
def full() -> Iterator[IO[bytes]]:
    """A file on a disk without room."""
    with Path("/dev/full").open("wb", buffering=0) as opened:
        yield opened


async def test_a_full_disk_stops_no_request(committed_url: str, full: IO[bytes], tmp_path: Path) -> None:
    with talker(committed_url, full, tmp_path / "log") as service:
        await ask_all(service)


def limit_files(service: Service, size: int) -> None:
    """Let no file of the worker grow beyond this size, from now on; its disk is full there."""
    (worker,) = service.workers()
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def lines_written(service: Service, count: int) -> tuple[int, int]:
    """Do the same with the log of the service."""
    came = lost = 0
    async with asyncio.timeout(20):
        while came + lost < count:
            came = len(service.lines("talk")) + len(service.lines("request"))
            lost = sum(line["lines"] for line in service.lines("log lines lost"))
            await asyncio.sleep(0.05)
    return came, lost


async def test_once_the_disk_has_room_again_the_lost_lines_are_counted(committed_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file, talker(committed_url, file, log) as service:
        service.wait_until_started(workers=1)
        limit_files(service, service.log.stat().st_size)
        await ask_all(service)
        await asyncio.sleep(GATHER_SECONDS)
        limit_files(service, resource.RLIM_INFINITY)
        await ask_all(service)
        came, lost = await lines_written(service, 2 * LINES)

    assert came + lost == 2 * LINES
    assert LINES * MOST <= lost <= LINES


async def test_once_the_collector_is_back_the_lost_lines_are_counted(committed_url: str, tmp_path: Path) -> None:
    with collected(tmp_path) as (collector, pipe), talker(committed_url, pipe, tmp_path / "log") as service:
        await collector.read_until(1, "Application startup complete.")
        collector.leave()
        await ask_all(service)
        await asyncio.sleep(GATHER_SECONDS)
        collector.come()
        await ask_all(service)
        came, lost = await lines_told(collector, 2 * LINES)

    assert came + lost == 2 * LINES
    assert LINES * MOST <= lost <= LINES


async def test_once_a_slow_collector_reads_on_the_lost_lines_are_counted(committed_url: str, tmp_path: Path) -> None:
    with collected(tmp_path) as (collector, pipe), talker(committed_url, pipe, tmp_path / "log") as service:
        await collector.read_until(1, "Application startup complete.")
        await ask_all(service, LONG)
        came, lost = await lines_told(collector, LINES)

    assert came + lost == LINES
    assert lost > REQUESTS * 0.3
    assert collector.events["talk"] > REQUESTS * 0.3  # all that there was room for


@pytest.mark.parametrize("leaves", [True, False], ids=["closed", "stuck"])
async def test_a_stop_does_not_wait_for_the_collector(committed_url: str, tmp_path: Path, leaves: bool) -> None:
    with collected(tmp_path) as (collector, pipe), talker(committed_url, pipe, tmp_path / "log") as service:
        await ask_all(service, PAGE)
        if leaves:
            collector.leave()
        service.process.terminate()
        code = await asyncio.to_thread(service.process.wait, STOP_SECONDS)

    assert code == 0

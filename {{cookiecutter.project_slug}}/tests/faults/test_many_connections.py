"""More clients connect than a worker may have open files, and all requests and probes get a response.

The worker closes the connections that were idle for longest. While every connection is in use, requests get 503.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.bulkheads import sampled
from tests.scrape import total
from tests.server.processes import START_SECONDS, Service, gunicorn, serving
from tests.smoke.raw_http import head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sets the limits of open files as Linux has them")

OPEN_FILES = 160
"""The limit of open files of each worker: most systems allow 1,024, but a small limit needs fewer clients."""

IDLE = 3 * OPEN_FILES
"""The number of clients that keep an idle connection: more connections than two workers together may have open."""

TIMEOUT_SECONDS = 60.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service of `connection_app.py` with two workers that may have few open files."""
    app = "--pythonpath=tests/faults", "connection_app:app"
    # The deadline of 20 s is longer than a request to /wait takes.
    long = {"LOG_LEVEL": "warning", "ROUTE_GROUPS__OTHERS__DEADLINE_SECONDS": "20"}
    with serving(server_url, template, *app, ulimit=f"ulimit -n {OPEN_FILES}", **long) as running:
        yield running


async def opened(service: Service) -> Streams:
    address = urlsplit(service.url)
    return await asyncio.open_connection(address.hostname, address.port)


async def status_of(streams: Streams, path: str) -> int:
    """Send a request on a connection, and return its status, or 0 when the connection ends without a response."""
    reader, writer = streams
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            writer.write(head("GET", path))
            response = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            await reader.readexactly(int(response.partition("content-length: ")[2].split("\r\n")[0]))
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0
    return int(response.split()[1])


async def ask(service: Service, path: str) -> tuple[int, Streams]:
    client = await opened(service)
    return await status_of(client, path), client


async def close(clients: Sequence[Streams]) -> None:
    for _, writer in clients:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_requests_and_probes_are_answered_beside_more_idle_connections_than_files(service: Service) -> None:
    idle, statuses = [], []
    for number in range(IDLE):
        idle.append(await opened(service))
        statuses.append(await status_of(idle[-1], "/health/live" if number % 2 else "/echo"))
    oldest, newest = await status_of(idle[0], "/echo"), await status_of(idle[-1], "/echo")
    line = service.wait_for("limit of client connections reached")[0]
    found = await sampled(service.management)
    await close(idle)

    assert Counter(statuses) == {200: IDLE}
    assert (oldest, newest) == (0, 200)
    assert (line["level"], line["idle_closed"]) == ("warning", 1)
    assert total(found, "app_server_connections_closed_total") >= IDLE - 2 * OPEN_FILES
    assert 0 < total(found, "app_server_connections") <= total(found, "app_server_connections_limit") < 2 * OPEN_FILES


async def test_many_clients_that_come_at_once_are_all_answered(service: Service) -> None:
    asked = await asyncio.gather(*(ask(service, "/echo") for _ in range(IDLE)))
    await close([client for _, client in asked])

    assert {status for status, _ in asked} <= {200, 503}  # 503: all connections were in use
    assert Counter(status for status, _ in asked)[200] > OPEN_FILES


async def test_probes_are_answered_and_requests_refused_while_every_connection_is_in_use(service: Service) -> None:
    waiting = [asyncio.create_task(ask(service, "/wait?seconds=8")) for _ in range(IDLE)]
    # Clients beyond the limit of connections get a 503 at once.
    while sum(task.done() for task in waiting) < IDLE - 2 * OPEN_FILES:  # noqa: ASYNC110 - each task ends on its own
        await asyncio.sleep(0.05)
    paths, right = ("/health/live", "/echo") * 10, {("/health/live", 200), ("/echo", 503)}
    seen: list[set[tuple[str, int]]] = []
    while right not in seen and not all(task.done() for task in waiting):
        beside = await asyncio.gather(*(ask(service, path) for path in paths))
        seen.append(set(zip(paths, (status for status, _ in beside), strict=True)))
        await close([client for _, client in beside])
    waited = await asyncio.gather(*waiting)
    await close([client for _, client in waited])

    assert right in seen, seen
    statuses = Counter(status for status, _ in waited)
    assert statuses.keys() >= {200, 503}
    # 0: on a busy machine a client sends its request so late that its connection counts as idle, and is closed
    assert statuses.keys() <= {0, 200, 503}
    assert statuses[0] < IDLE / 10


def soft_limit(process: int) -> int:
    limits = Path(f"/proc/{process}/limits").read_text("ascii")
    return int(limits.partition("Max open files")[2].split()[0])


def test_the_soft_limit_of_open_files_is_raised_and_is_part_of_the_plan(committed_url: str) -> None:
    with gunicorn(committed_url, ulimit="ulimit -Sn 100 && ulimit -Hn 4000") as service:
        service.wait_until_started()
        (plan,) = service.lines("capacity plan")
        limits = [soft_limit(worker) for worker in service.workers()]

    assert plan["open_files"] == 4000
    assert 3800 < plan["client_connections"] < 4000
    assert limits == [4000, 4000]


def test_too_few_open_files_stop_the_start_with_one_sentence(committed_url: str) -> None:
    with gunicorn(committed_url, ulimit="ulimit -n 64") as service:
        code = service.process.wait(timeout=START_SECONDS)
        output = service.log.read_text("utf-8")

    assert code == 1
    assert output.startswith("The service cannot start: a worker may open 64 files, but needs ")
    assert output.count("\n") == 1

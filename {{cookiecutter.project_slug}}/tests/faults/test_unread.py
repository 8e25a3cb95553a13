"""Clients that ask and never read: their connections are cut off, and nobody else notices."""

import asyncio
import sys
from collections.abc import Iterator
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from tests.faults.clients import Client, for_a_while
from tests.faults.connections import clients_of
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system cannot cut them off")

SILENT = 20
UNREAD_SECONDS = 3
LATE_SECONDS = 2.0
FULL_SECONDS = 15.0
"""Until the buffers are full and nothing moves any more; on a busy machine that takes its time."""

REQUESTS = b"GET /health/live HTTP/1.1\r\nHost: service\r\n\r\n" * 10_000
"""Sent ahead in one go. The answers are some megabytes, more than the buffers of both ends."""


@pytest.fixture
def service(committed_url: str) -> Iterator[Service]:
    """The service with one worker."""
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "PATIENCE_SECONDS": str(UNREAD_SECONDS)}
    with gunicorn(committed_url, "--pythonpath=tests/faults", "impatient:app", **variables) as running:
        running.wait_until_serving()
        yield running


async def ask(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.05)


async def test_they_are_cut_off_and_nobody_else_notices(service: Service) -> None:
    address = urlsplit(service.url)
    (worker,) = service.workers()
    writers = []
    for _ in range(SILENT):
        _, writer = await asyncio.open_connection(address.hostname, address.port, limit=1)  # more is left unread
        writer.write(REQUESTS)
        writers.append(writer)
    others = asyncio.create_task(for_a_while(service.url, 5, UNREAD_SECONDS, ask))
    async with asyncio.timeout(20):
        while len(clients_of(worker, service)) < SILENT:  # noqa: ASYNC110 - the kernel of another process sets no event
            await asyncio.sleep(0.05)
    began = perf_counter()
    seen = await others
    while clients_of(worker, service):
        assert perf_counter() - began < FULL_SECONDS + UNREAD_SECONDS + LATE_SECONDS
        await asyncio.sleep(0.1)
    for writer in writers:
        writer.close()

    assert (set(seen.seconds), seen.resets) == ({200}, 0)

"""A client pipelines thousands of requests: a worker holds only a few of them in memory, and serves other clients."""

import asyncio
import sys
from collections.abc import Iterator
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from tests.faults.memory import memory_growth
from tests.server.processes import Service, serving
from tests.smoke.raw_http import head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the workers from /proc")

APP = "--pythonpath=tests/faults", "connection_app:app"

SENT = 40_000
"""The number of pipelined requests: together some megabytes, more than the kernel's socket buffers hold."""

READ = 200
"""The least number of responses that the pipelining client reads while other clients send requests."""

QUEUED = 100
"""The most queued requests that a worker may hold: six times the 16 that the service queues for a connection. Without a
bound, thousands of pipelined requests would be queued."""

MEGABYTES = 16
"""The most memory that a worker may gain while a client pipelines requests, in megabytes."""

SECONDS = 10.0
"""The longest wait of another client, in seconds: a hundred times the usual duration of a request, but only a third of
the time after which gunicorn kills a blocked worker."""


@pytest.fixture
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service with two workers, error logs only, and a route that returns how many requests a worker has queued."""
    with serving(server_url, template, *APP) as running:
        running.wait_until_started()  # a worker that is still starting would gain memory for its modules
        yield running


async def test_requests_sent_ahead_are_bounded_and_other_clients_are_served(service: Service) -> None:
    workers, address = service.workers(), urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    queued: list[int] = []
    waits: list[float] = []
    async with memory_growth(service) as grown:
        writer.write(head("GET", "/wait?seconds=0.005") * SENT)
        for _ in range(READ):
            response = await reader.readuntil(b"\r\n\r\n")
            assert response.startswith(b"HTTP/1.1 200")
            await reader.readexactly(len("null"))
            if len(queued) < READ // 10:
                began = perf_counter()
                queued.append(await asked(service))
                waits.append(perf_counter() - began)
    writer.close()

    assert max(queued) <= QUEUED
    assert max(waits) <= SECONDS
    assert max(grown) <= MEGABYTES
    assert service.workers() == workers


async def test_requests_sent_ahead_are_all_answered_at_sigterm(service: Service) -> None:
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(head("GET", "/wait?seconds=0.1") * 12)
    first = await reader.readuntil(b"null")
    service.process.terminate()
    rest = (await asyncio.wait_for(reader.read(), timeout=60)).lower()
    writer.close()

    assert first.startswith(b"HTTP/1.1 200")
    assert rest.count(b"http/1.1 200") == 11
    assert rest.count(b"connection: close") == 1


async def test_large_heads_sent_ahead_wait_unparsed(service: Service) -> None:
    """Most of 14 pipelined request heads of 60 kB stay unparsed: parsed heads would take a megabyte per connection."""
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(head("GET", "/wait?seconds=3") + head("GET", "/wait?seconds=0", "X-Large: " + "x" * 60_000) * 14)
    writer.write(head("GET", "/wait?seconds=0", "Connection: close"))
    await asyncio.sleep(1)
    queued = await asked(service)
    responses = await asyncio.wait_for(reader.read(), timeout=60)
    writer.close()

    assert queued <= 8
    assert responses.count(b"HTTP/1.1 200") == 16


async def asked(service: Service) -> int:
    """Ask four times how many requests a worker has queued, so that both workers probably answer; return the most."""
    address = urlsplit(service.url)
    numbers = []
    for _ in range(4):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head("GET", "/queued", "Connection: close"))
        response = await reader.read()
        writer.close()
        numbers.append(int(response.rpartition(b"\r\n\r\n")[2]))
    return max(numbers)

"""Clients that never read their responses: the service closes their connections and serves other clients."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.faults.clients import Client, for_a_while
from tests.server.processes import Service, gunicorn
from tests.smoke.connections import client_ports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is an option of Linux")

CLIENTS = 20
UNREAD_SECONDS = 3
"""The service's timeout for a client that reads nothing, in seconds, shortened for the test."""

PATIENCE_SECONDS = 60.0
"""How long to wait until the service has accepted or closed all connections, in seconds: ten times as long as filling
the buffers and the service's timeout take."""

RECEIVE_BYTES = 4096
"""The receive buffer of a client in bytes: small, so that few responses fill the buffers of client and service."""

REQUESTS = b"GET /health/live HTTP/1.1\r\nHost: service\r\n\r\n" * 10_000
"""The pipelined requests of a client, whose responses are some megabytes: more than the socket buffers of client and
service hold."""


@pytest.fixture
def service(committed_url: str) -> Iterator[Service]:
    """The service with one worker, which closes a connection when a client reads no response for 3 s."""
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "CLIENT_TIMEOUT_SECONDS": str(UNREAD_SECONDS)}
    with gunicorn(
        committed_url, "--pythonpath=tests/faults,tests/smoke", "short_timeouts_app:app", **variables
    ) as running:
        running.wait_until_serving()
        yield running


def connected_with_a_small_buffer(url: str) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    connection.connect((urlsplit(url).hostname, urlsplit(url).port))
    return connection


async def ask(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.05)


async def test_connections_with_unread_responses_are_closed_and_other_clients_are_served(service: Service) -> None:
    (worker,) = service.workers()
    writers = []
    for _ in range(CLIENTS):
        connection = connected_with_a_small_buffer(service.url)
        # with limit=1, asyncio stops reading from the socket after a few bytes
        _, writer = await asyncio.open_connection(sock=connection, limit=1)
        writer.write(REQUESTS)
        writers.append(writer)
    others = asyncio.create_task(for_a_while(service.url, 5, UNREAD_SECONDS, ask))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(client_ports(worker, service)) < CLIENTS:  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
            await asyncio.sleep(0.05)
    seen = await others
    async with asyncio.timeout(PATIENCE_SECONDS):
        while client_ports(worker, service):  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
            await asyncio.sleep(0.1)
    for writer in writers:
        writer.close()

    assert (set(seen.seconds), seen.resets) == ({200}, 0)

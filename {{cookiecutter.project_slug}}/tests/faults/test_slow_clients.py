"""Clients that send a byte every 0.5 s, or nothing: the service closes their connections and serves other clients.

The other clients request a route in the same route group as the clients that send bodies slowly.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from app.server.protocol import HEAD_SECONDS
from tests.faults.clients import Client, for_a_while
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

PAUSE_SECONDS = 0.5
"""The pause of a slow client after each byte, in seconds."""

PATIENCE_SECONDS = 60.0
"""How long to wait until the service closes a connection, in seconds: six times the service's longest timeout, 10 s.
Without a timeout, the slow heads and bodies would take minutes."""

HEAD = b"GET /health/live HTTP/1.1\r\nHost: service\r\nX-Slow: " + b"x" * 1000
BODY = b"POST /body HTTP/1.1\r\nHost: service\r\nContent-Length: 1000\r\n\r\n"
WHOLE = b"GET /health/live HTTP/1.1\r\nHost: service\r\n\r\n"
SLOW = {
    "slow headers": (100, b"", HEAD),
    "idle": (50, b"", b""),
    "slow bodies": (110, BODY, b"x" * 1000),
    "blank lines": (50, WHOLE, b"\r\n" * 500),
}
"""The kinds of slow clients: the number of clients, the bytes that a client sends at once, and the bytes that it sends
one by one."""


@pytest.fixture
def service(committed_url: str) -> Iterator[Service]:
    """The service with one worker and error logs only, to which clients send heads and bodies slowly."""
    arguments = ("--pythonpath=tests/smoke", "slow_app:app")
    with gunicorn(committed_url, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error") as running:
        running.wait_until_serving()
        yield running


async def is_closed_by_the_service(url: str, at_once: bytes, slowly: bytes) -> bool:
    """Send bytes slowly on a connection, and return whether the service closes it within 60 s."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(at_once)

    async def send() -> None:
        for byte in slowly:
            writer.write(bytes([byte]))
            await asyncio.sleep(PAUSE_SECONDS)

    sending = asyncio.create_task(send())
    closed = True
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionError):  # a reset: the service closed the connection before all bytes were read
                while await reader.read(1000):
                    pass
    except TimeoutError:
        closed = False
    sending.cancel()
    writer.close()
    return closed


async def ask(client: Client) -> None:
    await client.ask("/wait?seconds=0.01")
    await asyncio.sleep(0.05)


async def test_slow_connections_are_closed_and_other_clients_are_served(service: Service) -> None:
    closed, others = await asyncio.gather(
        asyncio.gather(
            *(
                is_closed_by_the_service(service.url, at_once, slowly)
                for count, at_once, slowly in SLOW.values()
                for _ in range(count)
            )
        ),
        for_a_while(service.url, 5, HEAD_SECONDS, ask),
    )

    assert all(closed)
    assert (set(others.seconds), others.resets) == ({200}, 0)


async def test_a_slow_next_request_does_not_cut_off_the_response(committed_url: str) -> None:
    """If a pipelined second request arrives slowly, the connection is closed only after the first response."""
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "CLIENT_TIMEOUT_SECONDS": "1"}
    with gunicorn(
        committed_url, "--pythonpath=tests/faults,tests/smoke", "short_timeouts_app:app", **variables
    ) as running:
        running.wait_until_serving()
        address = urlsplit(running.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"GET /wait?seconds=2 HTTP/1.1\r\nHost: service\r\n\r\n" + HEAD[:20])
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200")

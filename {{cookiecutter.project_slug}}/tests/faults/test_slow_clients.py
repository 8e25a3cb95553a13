"""Clients that send a byte now and then, or nothing: their connections end, and nobody else notices."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from app.families import Family
from app.server.protocol import HEAD_SECONDS
from tests.faults.clients import Client, for_a_while
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

PAUSE_SECONDS = 0.5
LATE_SECONDS = 2.0
OTHERS_SECONDS = 1.0
DEADLINE_SECONDS = Family().deadline_seconds

HEAD = b"GET /health/live HTTP/1.1\r\nHost: service\r\nX-Slow: " + b"x" * 1000
BODY = b"POST /body HTTP/1.1\r\nHost: service\r\nContent-Length: 1000\r\n\r\n"
WHOLE = b"GET /health/live HTTP/1.1\r\nHost: service\r\n\r\n"
SLOW = {
    "slow headers": (100, b"", HEAD),
    "idle": (50, b"", b""),
    "slow bodies": (50, BODY, b"x" * 1000),
    "blank lines": (50, WHOLE, b"\r\n" * 500),
}
"""How many of each; what they send at once, and what byte by byte."""

LIMITS = {
    "slow headers": HEAD_SECONDS,
    "idle": HEAD_SECONDS,
    "slow bodies": DEADLINE_SECONDS,
    "blank lines": HEAD_SECONDS,
}


@pytest.fixture
def service(committed_url: str) -> Iterator[Service]:
    """The service with one worker."""
    arguments = ("--pythonpath=tests/faults", "slow:app")
    with gunicorn(committed_url, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error") as running:
        running.wait_until_serving()
        yield running


async def seconds_to_the_end(url: str, at_once: bytes, slowly: bytes) -> float:
    """Return how long the connection lived."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    began = perf_counter()
    writer.write(at_once)

    async def send() -> None:
        for byte in slowly:
            writer.write(bytes([byte]))
            await asyncio.sleep(PAUSE_SECONDS)

    sending = asyncio.create_task(send())
    with suppress(ConnectionError, TimeoutError):  # it had sent something that nobody read, or it lives too long
        async with asyncio.timeout(HEAD_SECONDS + DEADLINE_SECONDS + LATE_SECONDS):
            while await reader.read(1000):
                pass
    sending.cancel()
    writer.close()
    return perf_counter() - began


async def ask(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.05)


async def test_they_are_ended_in_time_and_nobody_else_notices(service: Service) -> None:
    ends, others = await asyncio.gather(
        asyncio.gather(
            *(
                seconds_to_the_end(service.url, at_once, slowly)
                for count, at_once, slowly in SLOW.values()
                for _ in range(count)
            )
        ),
        for_a_while(service.url, 5, HEAD_SECONDS, ask),
    )
    limits = [LIMITS[name] for name, (count, *_) in SLOW.items() for _ in range(count)]

    assert [end for end, limit in zip(ends, limits, strict=True) if end > limit + LATE_SECONDS] == []
    assert (set(others.seconds), others.resets) == ({200}, 0)
    assert others.at(0.99, 200) < OTHERS_SECONDS


async def test_who_sends_ahead_slowly_gets_the_answer_before_it(committed_url: str) -> None:
    """A head that comes too slowly ends its connection, and not the answer that is still on its way there."""
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "PATIENCE_SECONDS": "1"}
    with gunicorn(committed_url, "--pythonpath=tests/faults", "impatient:app", **variables) as running:
        running.wait_until_serving()
        address = urlsplit(running.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"GET /slow?seconds=2 HTTP/1.1\r\nHost: service\r\n\r\n" + HEAD[:20])
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200")

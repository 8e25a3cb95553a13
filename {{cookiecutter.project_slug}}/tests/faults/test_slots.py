"""A request frees a bulkhead slot with the last byte of the response, even if a background task runs afterwards.

A refusal of a request whose body has arrived keeps the connection open.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import pytest

from tests.faults.clients import Client, for_a_while
from tests.server.processes import Service, serving
from tests.smoke.raw_http import asked, head, sevens

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

SLOTS = 2
SECONDS = 3.0
"""How long clients send requests, in seconds: less than the 8 s for which background tasks of earlier requests run."""


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service with two workers, each with two bulkhead slots, and with bodies of at most 100 bytes."""
    variables = {"ROUTE_GROUPS__OTHERS__MAX_CONCURRENT": str(SLOTS), "MAX_BODY_BYTES": "100", "LOG_LEVEL": "warning"}
    with serving(server_url, template, "--pythonpath=tests/faults", "background_app:app", **variables) as running:
        yield running


async def ask(client: Client) -> None:
    await client.ask("/answer")
    await asyncio.sleep(0.02)


async def start_work(client: Client) -> None:
    await client.ask("/answer-then-work", method="POST")
    client.close()
    await asyncio.sleep(SECONDS)


async def test_work_after_the_response_takes_no_slot(service: Service) -> None:
    workers, others = await asyncio.gather(
        for_a_while(service.url, 8 * SLOTS, SECONDS / 2, start_work), for_a_while(service.url, 2, SECONDS, ask)
    )

    assert (set(workers.seconds), workers.count) == ({200}, 8 * SLOTS)
    assert (set(others.seconds), others.resets) == ({200}, 0)


REFUSED = {
    "an unknown path": (404, head("POST", "/nowhere", "Content-Length: 9") + b"123456789"),
    "an unknown path, chunked": (404, head("POST", "/nowhere", "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n"),
    "a wrong method": (405, head("POST", "/answer", "Content-Length: 9") + b"123456789"),
    "a large body": (413, head("POST", "/nowhere", "Content-Length: 200") + b"x" * 200),
    "a large body, chunked": (
        413,
        head("POST", "/nowhere", "Transfer-Encoding: chunked") + b"c8\r\n" + b"x" * 200 + b"\r\n0\r\n\r\n",
    ),
    "a compressed body": (415, head("POST", "/nowhere", "Content-Encoding: gzip", "Content-Length: 9") + b"123456789"),
}
"""By kind, requests that are refused after the whole body was read: the expected status, and the bytes."""


async def statuses(url: str, parts: Sequence[bytes], count: int) -> tuple[list[int], bytes]:
    """Send pieces of requests on one connection, and return the statuses and the bytes of `count` responses."""
    address, received = urlsplit(url), bytearray()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    async with asyncio.timeout(30):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)  # without a pause, TCP would send several pieces in one packet
        found: list[int] = []
        while len(found) < count:
            head_of_response = await reader.readuntil(b"\r\n\r\n")
            length = int(head_of_response.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            received += head_of_response + await reader.readexactly(length)
            found.append(int(head_of_response.split()[1]))
    writer.close()
    return found, bytes(received)


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_refusal_whose_body_is_there_keeps_the_connection(service: Service, kind: str) -> None:
    status, request = REFUSED[kind]

    found, received = await statuses(service.url, [request, request, head("GET", "/answer")], 3)

    assert found == [status, status, 200]
    assert b"connection: close" not in received.lower()


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_refusal_of_a_body_in_pieces_keeps_the_connection(service: Service, kind: str) -> None:
    status, request = REFUSED[kind]

    found, received = await statuses(service.url, [*sevens(request), *sevens(head("GET", "/answer"))], 2)

    assert found == [status, 200]
    assert b"connection: close" not in received.lower()


async def test_an_overload_refusal_keeps_the_connection(service: Service) -> None:
    """A 503 for overload keeps the connection open: clients that reconnect after each refusal would add load."""

    async def post(client: Client) -> None:
        await client.ask("/answer-then-work/none", method="POST", body="x")
        assert client.connected

    async def hold(client: Client) -> None:
        await client.ask("/hold")

    posts, _ = await asyncio.gather(
        for_a_while(service.url, 2, SECONDS, post), for_a_while(service.url, 40, SECONDS, hold)
    )

    assert 503 in posts.seconds
    assert posts.resets == 0


async def test_a_thread_keeps_the_slot_of_a_request_that_was_cut_off(service: Service) -> None:
    """A request cut off at the deadline keeps the bulkhead slot until its thread ends: slots bound the threads."""
    hurry = [head("GET", "/block", "X-Request-Timeout-Ms: 50", "Connection: close")]
    for _ in range(10):
        answers = await asyncio.gather(*(asked(service.url, hurry) for _ in range(8)))
        assert {answer.status for answer in answers} <= {503, 504}
    await asyncio.sleep(1.5)  # by then, the threads of the requests have ended, and their slots are free

    most = [int((await asked(service.url, [head("GET", "/most", "Connection: close")])).body) for _ in range(20)]
    assert 0 < max(most) <= SLOTS

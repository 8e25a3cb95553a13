"""Byte sequences on a connection: one response per request, in order, and no body's bytes are served as a request."""

import asyncio
import json
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from app.server.protocol import HEAD_SECONDS
from tests.faults.byte_rows import GET, HEADS, REFUSALS, UPGRADES, WHITESPACE, Row, chunked
from tests.server.processes import Service, serving
from tests.smoke.raw_http import head

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

APP = "--pythonpath=tests/faults", "connection_app:app"

PIECES = {"whole": 10**9, "in pieces of 16 kB": 16_384, "in pieces of seven bytes": 7}
"""The sizes of the pieces in which a client sends the bytes of a test case."""

MAX_PIECES = 2_000
"""The most pieces in which a test case is sent, as the client waits after each piece."""

REFUSED = {400, 414, 431, 501}
"""The statuses after which the service closes the connection."""

TIMEOUT_SECONDS = 60.0


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service of `connection_app.py` with two workers."""
    with serving(server_url, template, *APP, LOG_LEVEL="warning") as running:
        yield running


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Return all bytes until the connection ends, by a close or by a reset.

    A service that closes after its response resets a client that keeps sending; the response has arrived before.
    """
    received = bytearray()
    with suppress(ConnectionResetError):
        while block := await reader.read(65_536):
            received += block
    return bytes(received)


async def answers_to(service: Service, sent: bytes, piece: int) -> list[tuple[int, bytes]]:
    """Send bytes in pieces, and return the status and body of each response until the service closes.

    Informational responses, such as 100, are left out.
    """
    address = urlsplit(service.url)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reading = asyncio.create_task(read_all(reader))
        with suppress(ConnectionError):  # the service may have refused the bytes and closed the connection
            for start in range(0, len(sent), piece):
                writer.write(sent[start : start + piece])
                await writer.drain()
                await asyncio.sleep(0.001)
        received = await reading
        writer.close()
    return list(parsed(received))


def parsed(received: bytes) -> Iterator[tuple[int, bytes]]:
    while received:
        lines, _, received = received.partition(b"\r\n\r\n")
        length = int(lines.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        if (status := int(lines.split()[1])) >= 200:
            yield status, received[:length]
        received = received[length:]


def in_pieces(rows: Mapping[str, Row]) -> pytest.MarkDecorator:
    """Run a test with each test case, sent in pieces of each size. Long cases in small pieces would take too long."""
    cases = [
        pytest.param(row, piece, id=f"{name}-{form}")
        for name, row in rows.items()
        for form, piece in PIECES.items()
        if len(row[0]) <= piece * MAX_PIECES
    ]
    return pytest.mark.parametrize(("row", "piece"), cases)


async def check(service: Service, row: Row, piece: int) -> None:
    """Send a test case and a last request, and check all responses; no response may follow a refusal."""
    sent, expected = row
    last = head("GET", "/echo", "Connection: close", "X-Last: 1") if b"HTTP/1.0" not in sent else b""
    answers = await answers_to(service, sent + last, piece)

    ended = expected[-1][0] in REFUSED or b"HTTP/1.0" in sent
    assert [status for status, _ in answers] == [status for status, _ in expected] + [200] * (not ended)
    for (_, body), (_, wanted) in zip(answers, expected, strict=False):
        assert wanted is None or json.loads(body)["body"] == wanted


@in_pieces(UPGRADES)
async def test_an_upgrade_without_a_server_is_ignored_and_the_body_is_read(
    service: Service, row: Row, piece: int
) -> None:
    await check(service, row, piece)


@in_pieces(WHITESPACE)
async def test_whitespace_around_a_value_is_no_part_of_it(service: Service, row: Row, piece: int) -> None:
    await check(service, row, piece)


@in_pieces(HEADS)
async def test_the_size_of_a_head_is_the_same_in_any_pieces(service: Service, row: Row, piece: int) -> None:
    await check(service, row, piece)


@in_pieces(REFUSALS)
async def test_a_refusal_comes_in_order_and_ends_the_connection(service: Service, row: Row, piece: int) -> None:
    await check(service, row, piece)


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
async def test_a_close_in_the_trailers_ends_the_connection_with_the_response(service: Service, piece: int) -> None:
    """After `Connection: close` in trailers, the parser drops all further bytes, so the service must close at once."""
    began = perf_counter()
    answers = await answers_to(service, chunked(b"one", trailers=b"Connection: close\r\n") + GET, piece)

    assert [status for status, _ in answers] == [200]
    assert perf_counter() - began < HEAD_SECONDS / 2

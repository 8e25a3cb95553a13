"""Clients that announce a body but hardly send it hold no slot of the bulkhead: all other requests are served."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from tests.faults.clients import Answers, Client, for_a_while
from tests.faults.timeline import fault
from tests.server.processes import Service, serving
from tests.smoke.raw_http import asked, head, sevens

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

SECONDS = 6.0
"""How long slow and ordinary clients send requests, in seconds: longer than the service waits for a slow body."""

SLOTS = 4
"""The bulkhead slots of the tested route group in each of two workers: as few as the route group for uploads has by
default."""


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service with two workers, in which all routes of the test share a route group with few bulkhead slots."""
    variables = {"ROUTE_GROUPS__OTHERS__MAX_CONCURRENT": str(SLOTS), "LOG_LEVEL": "warning"}
    with serving(server_url, template, "--pythonpath=tests/smoke", "slow_app:app", **variables) as running:
        yield running


async def send_slowly(url: str, begin: bytes, statuses: set[int]) -> None:
    """Send the beginning of a request and then nothing, in a loop; record the status of each response."""
    address, ends = urlsplit(url), perf_counter() + SECONDS
    while perf_counter() < ends:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(begin)
        with suppress(ConnectionError):
            statuses.add(int((await reader.read(1000) or b"- 0").split()[1]))
        writer.close()


async def ask(client: Client) -> None:
    await client.ask("/wait?seconds=0.01")
    await asyncio.sleep(0.05)


async def others_beside(service: Service, count: int, begin: bytes) -> tuple[Answers, set[int]]:
    """Return the responses of two ordinary clients, and the statuses of `count` slow clients at the same time."""
    statuses: set[int] = set()
    slow = [asyncio.create_task(send_slowly(service.url, begin, statuses)) for _ in range(count)]
    with fault(f"{count} slow clients"):
        others = await for_a_while(service.url, 2, SECONDS, ask)
        await asyncio.wait(slow)
    return others, statuses


@pytest.mark.parametrize("count", [110, 320])
async def test_a_slow_body_takes_no_slot(service: Service, count: int) -> None:
    others, statuses = await others_beside(service, count, head("POST", "/body", "Content-Length: 100") + b"x")

    assert (set(others.seconds), others.resets) == ({200}, 0)
    assert statuses == {408}


async def test_a_large_body_that_stops_half_way_takes_no_slot(service: Service) -> None:
    begin = head("POST", "/body", "Content-Length: 500000") + bytes(200_000)
    others, statuses = await others_beside(service, 4 * SLOTS, begin)

    assert (set(others.seconds), others.resets) == ({200}, 0)
    assert statuses == {408}


@pytest.mark.parametrize("length", ["Content-Length: 707", "Transfer-Encoding: chunked"])
async def test_a_body_in_pieces_of_seven_bytes_is_read(service: Service, length: str) -> None:
    body = b"x" * 707 if "707" in length else b"".join(b"7\r\n%s\r\n" % (b"x" * 7) for _ in range(101)) + b"0\r\n\r\n"

    assert (await asked(service.url, sevens(head("POST", "/body", length) + body))).body == b"707"

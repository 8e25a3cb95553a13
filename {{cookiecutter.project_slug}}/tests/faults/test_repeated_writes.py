"""Two hundred clients disconnect in the middle of a write and repeat it: each write is stored once.

Each client repeats its request with the same Idempotency-Key.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.http_client import httpx
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

CLIENTS = 200
HALF_SECONDS = 0.04
"""How long a write request sleeps before the INSERT, and again before the response is stored for repeated requests, in
seconds."""

LONGEST_STAY_SECONDS = 3 * HALF_SECONDS
"""The longest time until a client disconnects, in seconds. A write sleeps for two thirds of this time, so some clients
disconnect before the INSERT, some before the response is stored, and some after the response."""

LONG_HALF_SECONDS, LONG_STAY_SECONDS = 0.5, 3.0
"""Instead, every twentieth write sleeps for this long, and every twentieth client stays for this long, both in seconds:
even on a busy machine, clients disconnect both before and after their write is stored."""

ARRIVAL_SECONDS = 3.0
"""The time over which the 200 clients start, in seconds. Each client sends two writes, and a worker with ten database
connections does 125 writes a second, so a shorter time would overload the worker."""

PAUSE_SECONDS = 0.1
"""The pause in seconds before a client repeats a request that was refused with 409 or 503."""

PATIENCE_SECONDS = 60.0
"""The timeout of the whole test, in seconds: ten times what all writes need."""

TABLE = "CREATE TABLE scratch_entries (id int GENERATED ALWAYS AS IDENTITY, name text)"


@pytest.fixture
async def connection(committed_url: str) -> AsyncGenerator[asyncpg.Connection]:
    """A connection to a database in which the table `scratch_entries` exists."""
    opened = await asyncpg.connect(committed_url)
    await opened.execute(TABLE)
    yield opened
    await opened.close()


@pytest.fixture
def service(connection: asyncpg.Connection, committed_url: str) -> Iterator[Service]:
    """The service with one worker, error logs only, and a slow write route that reads an Idempotency-Key header."""
    assert not connection.is_closed()
    arguments = ("--pythonpath=tests/faults", "idempotent_app:app")
    with gunicorn(committed_url, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error") as running:
        running.wait_until_serving()
        yield running


def body_of(name: str) -> bytes:
    seconds = LONG_HALF_SECONDS if number_of(name) % 20 == 0 else HALF_SECONDS
    return json.dumps({"name": name, "seconds": seconds}).encode()


def number_of(name: str) -> int:
    return int(name.rpartition("-")[2])


async def send_and_disconnect(url: str, name: str, seconds: float) -> None:
    """Send a write, and disconnect after `seconds` without a response; every second client resets the connection."""
    address, body = urlsplit(url), body_of(name)
    _reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"POST /entries HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nIdempotency-Key: {name}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await writer.drain()
    await asyncio.sleep(seconds)
    if number_of(name) % 2:
        writer.transport.abort()
    else:
        writer.close()


async def send_until_answered(client: httpx.AsyncClient, name: str) -> httpx.Response:
    """Repeat a write while the response is 409 (a request with the same key is in progress) or 503 (overload)."""
    headers = {"Idempotency-Key": name, "Content-Type": "application/json"}
    while True:
        answer = await client.post("/entries", content=body_of(name), headers=headers)
        if answer.status_code not in {409, 503}:
            return answer
        await asyncio.sleep(PAUSE_SECONDS)


async def disconnect_and_repeat(client: httpx.AsyncClient, name: str, arrives: float, stays: float) -> httpx.Response:
    """Send a write, disconnect, and send the write again: after the disconnect or, as some proxies do, meanwhile."""
    await asyncio.sleep(arrives)
    first = send_and_disconnect(str(client.base_url), name, stays)
    if number_of(name) % 4 < 2:
        await first
        return await send_until_answered(client, name)
    _, answer = await asyncio.gather(first, send_until_answered(client, name))
    return answer


async def test_a_repeated_write_is_stored_once(service: Service, connection: asyncpg.Connection) -> None:
    names = [f"entry-{number}" for number in range(CLIENTS)]
    moments = random.Random(7)  # noqa: S311 - a fixed seed, so that each run has the same moments
    plan = [(name, moments.uniform(0, ARRIVAL_SECONDS), moments.uniform(0, LONGEST_STAY_SECONDS)) for name in names]
    plan[10::20] = [(name, arrives, LONG_STAY_SECONDS) for name, arrives, _ in plan[10::20]]
    async with (
        httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_SECONDS) as client,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        first = await asyncio.gather(*(disconnect_and_repeat(client, *step) for step in plan))
        second = await asyncio.gather(*(send_until_answered(client, name) for name in names))
    rows = await connection.fetch("SELECT id, name FROM scratch_entries")
    kept = await connection.fetchval("SELECT count(*) FROM idempotency_keys")
    replayed = [answer for answer in first if "idempotency-replayed" in answer.headers]

    assert 0 < len(replayed) < CLIENTS  # some writes were stored before their client disconnected, others were not
    assert {answer.status_code for answer in (*first, *second)} == {201}
    assert [answer.content for answer in first] == [answer.content for answer in second]
    assert Counter(row["name"] for row in rows) == Counter(names)
    assert {row["name"]: row["id"] for row in rows} == {answer.json()["name"]: answer.json()["id"] for answer in first}
    assert kept == CLIENTS
    assert service.lines() == []  # no disconnect is logged as an error


async def test_a_key_that_a_route_does_not_read_is_refused(service: Service, connection: asyncpg.Connection) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        answer = await client.post("/unkeyed-entries", headers={"Idempotency-Key": "entry-1"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert await connection.fetchval("SELECT count(*) FROM scratch_entries") == 0


async def test_two_keys_of_a_write_are_refused(service: Service, connection: asyncpg.Connection) -> None:
    """A request with two Idempotency-Key headers gets 400: if a key were ignored, a repetition could write twice."""
    keys = [("Idempotency-Key", "entry-1"), ("Idempotency-Key", "entry-2"), ("Content-Type", "application/json")]
    async with httpx.AsyncClient(base_url=service.url) as client:
        answer = await client.post("/entries", content=body_of("entry-1"), headers=keys)

    assert (answer.status_code, answer.json()["detail"]) == (400, "A request has one Idempotency-Key at most.")
    assert await connection.fetchval("SELECT count(*) FROM scratch_entries") == 0

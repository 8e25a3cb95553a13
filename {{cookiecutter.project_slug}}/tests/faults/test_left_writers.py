"""Two hundred clients leave in the middle of their writes and come again: what was to be done is done once.

Each sends an Idempotency-Key, as who may have to repeat a request does.
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

from app.downstreams.client import httpx
from tests.server.processes import Service, gunicorn

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
]

CLIENTS = 200
HALF_SECONDS = 0.04
"""Before the row is written, and again before the answer is stored."""

LONGEST_STAY_SECONDS = 3 * HALF_SECONDS
"""Both halves take two of them: some leave early, some in the middle, and some too late."""

ARRIVAL_SECONDS = 3.0
"""In which all of them come: a worker with ten connections does 125 such writes a second, and there are two of each."""

PAUSE_SECONDS = 0.1
AGAIN_SECONDS = 30.0
"""Until the last one has its answer; it takes a few seconds."""

TABLE = "CREATE TABLE scratch_deeds (id int GENERATED ALWAYS AS IDENTITY, name text)"


@pytest.fixture
async def connection(committed_url: str) -> AsyncGenerator[asyncpg.Connection]:
    """The database, with a table to write to."""
    opened = await asyncpg.connect(committed_url)
    await opened.execute(TABLE)
    yield opened
    await opened.close()


@pytest.fixture
def service(connection: asyncpg.Connection, committed_url: str) -> Iterator[Service]:
    """The service with one worker."""
    assert not connection.is_closed()
    arguments = ("--pythonpath=tests/faults", "deeds:app")
    with gunicorn(committed_url, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error") as running:
        running.wait_until_serving()
        yield running


def body_of(name: str) -> bytes:
    return json.dumps({"name": name, "seconds": HALF_SECONDS}).encode()


def number_of(name: str) -> int:
    return int(name.rpartition("-")[2])


async def send_and_leave(url: str, name: str, seconds: float) -> None:
    """Send a request, and be gone after this time, whatever became of it; every second client without a goodbye."""
    address, body = urlsplit(url), body_of(name)
    _reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"POST /deeds HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nIdempotency-Key: {name}\r\n"
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
    """Send the same again until it is done; 409 means that the first is under way, 503 that there is no room."""
    headers = {"Idempotency-Key": name, "Content-Type": "application/json"}
    while True:
        answer = await client.post("/deeds", content=body_of(name), headers=headers)
        if answer.status_code not in {409, 503}:
            return answer
        await asyncio.sleep(PAUSE_SECONDS)


async def leave_and_come_again(client: httpx.AsyncClient, name: str, arrives: float, stays: float) -> httpx.Response:
    """Ask, be gone after a while, and ask again: after that or, as impatient proxies do, before it."""
    await asyncio.sleep(arrives)
    leaving = send_and_leave(str(client.base_url), name, stays)
    if number_of(name) % 4 < 2:
        await leaving
        return await send_until_answered(client, name)
    _, answer = await asyncio.gather(leaving, send_until_answered(client, name))
    return answer


async def test_each_write_is_whole_and_done_once(service: Service, connection: asyncpg.Connection) -> None:
    names = [f"deed-{number}" for number in range(CLIENTS)]
    moments = random.Random(7)  # noqa: S311 - no secret, but the same moments in each run
    plan = [(name, moments.uniform(0, ARRIVAL_SECONDS), moments.uniform(0, LONGEST_STAY_SECONDS)) for name in names]
    async with httpx.AsyncClient(base_url=service.url, timeout=10) as client, asyncio.timeout(AGAIN_SECONDS):
        first = await asyncio.gather(*(leave_and_come_again(client, *one) for one in plan))
        second = await asyncio.gather(*(send_until_answered(client, name) for name in names))
    rows = await connection.fetch("SELECT id, name FROM scratch_deeds")
    kept = await connection.fetchval("SELECT count(*) FROM idempotency_keys")
    done_before = [one for one in first if "idempotency-replayed" in one.headers]

    assert 0 < len(done_before) < CLIENTS  # both kinds are there: who left too early, and who left too late
    assert {answer.status_code for answer in (*first, *second)} == {201}
    assert [answer.content for answer in first] == [answer.content for answer in second]
    assert Counter(row["name"] for row in rows) == Counter(names)
    assert {row["name"]: row["id"] for row in rows} == {one.json()["name"]: one.json()["id"] for one in first}
    assert kept == CLIENTS
    assert service.lines() == []  # at error level: nobody who left was a bug

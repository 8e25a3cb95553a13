"""The wall clock of a worker jumps an hour, back or forward: all timeouts and lifetimes still end at their time.

Only the clock of the process jumps, see `clock/sitecustomize.py`. A timeout that is measured by the wall clock would
pass at once after a jump forward, and an hour late after a jump back.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from tests.databases import cloned
from tests.faults.clock_client import JUMP_SECONDS, PATIENCE_SECONDS, ClockClient
from tests.faults.faulty_downstream import downstream
from tests.http_client import httpx
from tests.server.processes import Service, gunicorn

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
    pytest.mark.parametrize("jump", [-JUMP_SECONDS, JUMP_SECONDS], ids=["back", "forward"]),
]

CLOCK = Path(__file__).parent / "clock"
DEADLINE_SECONDS, QUEUE_SECONDS = 1.5, 1.0
"""The deadline that a request asks for, and the longest wait for a database connection, in seconds."""

IDEMPOTENCY_SECONDS = 2
"""The lifetime of a stored response in seconds: a hundred times the pause between a test's request and its repetition.
"""

EARLY_SECONDS = 0.3
"""The tolerance by which a measured timeout may be too short, in seconds. The jump of the clock would shorten a timeout
by 0.9 s or more."""


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, str, int]]:
    """A worker with a jumping clock and a single database connection, the database URL, and the downstream's port."""
    variables = {
        "WEB_CONCURRENCY": "1",
        "DATABASE_POOL_LIMIT": "1",
        "DATABASE_QUEUE_TIMEOUT_SECONDS": str(QUEUE_SECONDS),
        "IDEMPOTENCY_SECONDS": str(IDEMPOTENCY_SECONDS),
        "PYTHONPATH": str(CLOCK),
    }
    with ExitStack() as stack:
        url = stack.enter_context(cloned(server_url, template))
        port = stack.enter_context(downstream())
        service = stack.enter_context(gunicorn(url, "clock_app:app", DOWNSTREAM_PORT=str(port), **variables))
        service.wait_until_serving()
        yield service, url, port


@pytest.fixture
async def client(running: tuple[Service, str, int]) -> AsyncGenerator[ClockClient]:
    """A client that makes the wall clock of the service jump, runs SQL, and changes the downstream."""
    async with httpx.AsyncClient(base_url=running[0].url, timeout=PATIENCE_SECONDS) as http:
        yield ClockClient(*running, http)


@asynccontextmanager
async def meanwhile(work: Any) -> AsyncGenerator[asyncio.Task[Any]]:  # noqa: ANN401 - `work` is any coroutine
    """Start a request 0.1 s before the block, and end after the response: the clock jumps during the request."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        await asyncio.sleep(0.1)
        yield task


async def timed(client: ClockClient, path: str, **headers: str) -> tuple[int, float]:
    started = perf_counter()
    answer = await client.client.get(path, headers=headers)
    return answer.status_code, perf_counter() - started


async def test_the_jump_reaches_the_modules_of_the_service(client: ClockClient, jump: float) -> None:
    """The log's timestamps show the jump; without a jump, the other tests of this file would prove nothing."""
    before = len(client.service.lines("request"))
    await client.status("/wait?seconds=0")
    await client.jump(jump)
    await client.status("/wait?seconds=0")
    lines = client.service.wait_for("request", before + 4)[before:]
    first, *_jumps, last = (datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines)

    assert abs(last - first - jump) < PATIENCE_SECONDS


async def test_a_deadline_passes_at_its_time(client: ClockClient, jump: float) -> None:
    """The clock jumps during a request of 8 s: the response is 504 at the deadline; a late deadline would give 200."""
    deadline = {"X-Request-Timeout-Ms": f"{DEADLINE_SECONDS * 1000:.0f}"}
    async with meanwhile(timed(client, "/wait?seconds=8", **deadline)) as waiting:
        await client.jump(jump)
    status, seconds = waiting.result()

    assert status == 504
    assert seconds > DEADLINE_SECONDS - EARLY_SECONDS


async def test_a_request_in_the_pool_queue_gets_the_next_connection(client: ClockClient, jump: float) -> None:
    async with meanwhile(timed(client, "/hold?seconds=0.5")) as holding:
        await client.jump(jump)
        queued = await timed(client, "/hold?seconds=0")

    assert (holding.result()[0], queued[0]) == (200, 200)


async def test_the_queue_timeout_of_the_pool_passes_at_its_time(client: ClockClient, jump: float) -> None:
    """The clock jumps while a request waits for a connection: 503 at the queue timeout, not a late 200."""
    async with (
        meanwhile(timed(client, f"/hold?seconds={QUEUE_SECONDS * 2.2}")) as holding,
        meanwhile(timed(client, "/hold?seconds=0")) as queued,
    ):
        await client.jump(jump)
    status, seconds = queued.result()

    assert (holding.result()[0], status) == (200, 503)
    assert seconds > QUEUE_SECONDS - EARLY_SECONDS


async def test_readiness_is_checked_again(client: ClockClient, jump: float) -> None:
    await client.until("/health/ready", 200)
    await client.jump(jump)
    await client.execute("ALTER TABLE alembic_version RENAME TO hidden")
    await client.until("/health/ready", 503)
    await client.jump(-jump)
    await client.execute("ALTER TABLE hidden RENAME TO alembic_version")
    await client.until("/health/ready", 200)


async def test_a_cached_response_of_a_downstream_expires_at_its_time(client: ClockClient, jump: float) -> None:
    await client.become("answer")
    path = f"/downstream?item=cached{jump}"
    assert await client.status(path) == 200
    await client.become("fail")
    await client.jump(jump)

    assert await client.status(path) == 200
    await client.until(path, 503)
    await client.become("answer")
    await client.until(path, 200)


async def test_a_schema_change_fails_a_single_write_and_no_read(client: ClockClient, jump: float) -> None:
    async def write() -> int:
        return (await client.client.post("/rows")).status_code

    await client.execute("DROP TABLE IF EXISTS scratch_rows; CREATE TABLE scratch_rows (number int)")
    before = [await write(), await write(), await client.status("/rows"), await client.status("/rows")]
    await client.jump(jump)
    await client.execute("ALTER TABLE scratch_rows ALTER COLUMN number TYPE bigint")
    writes = [await write(), await write()]
    await client.execute("ALTER TABLE scratch_rows ALTER COLUMN number TYPE int")
    reads = [await client.status("/rows"), await client.status("/rows")]

    assert set(before[1:]) == {200}  # the first write may be 503, for a statement prepared before the table changed
    assert (writes, reads) == ([503, 200], [200, 200])


async def test_a_circuit_breaker_closes_again(client: ClockClient, jump: float) -> None:
    await client.become("answer")
    await client.until(f"/downstream?item=before{jump}", 200)
    await client.become("fail")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await client.code("/downstream?item=broken") != "downstream_refused":
            pass
    await client.become("answer")
    await client.jump(jump)

    assert await client.code("/downstream?item=broken") == "downstream_refused"
    await client.until(f"/downstream?item=after{jump}", 200)


async def test_an_idempotency_key_expires_at_its_time(client: ClockClient, jump: float) -> None:
    await client.execute("CREATE SEQUENCE IF NOT EXISTS scratch_numbers")
    key = {"Idempotency-Key": f"jump{jump}"}
    first = await client.client.post("/numbers", headers=key)
    await client.jump(jump)
    second = await client.client.post("/numbers", headers=key)
    await asyncio.sleep(IDEMPOTENCY_SECONDS + 0.1)
    later = await client.client.post("/numbers", headers=key)

    assert second.json() == first.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert later.json()["number"] > first.json()["number"]

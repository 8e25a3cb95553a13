"""The wall clock jumps an hour, back or forward: no deadline, queue, cache, breaker or key notices.

It is the clock of the process that jumps, see `clock/sitecustomize.py`; the machine's is not touched.
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

from app.downstreams.client import httpx
from tests.databases import cloned
from tests.faults.jumper import LATE_SECONDS, Jumper
from tests.faults.test_neighbours import neighbour
from tests.server.processes import Service, gunicorn

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
    pytest.mark.parametrize("jump", [-3600.0, 3600.0], ids=["back", "forward"]),
]

CLOCK = Path(__file__).parent / "clock"
KEPT_SECONDS = 1.0
"""How long `jumping.py` keeps an answer of the neighbour, and a breaker open."""

REMEMBERED_SECONDS = 2
"""How long an answer is kept for its key here: the first and the second request are ten times as close."""


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, str, int]]:
    """One worker with one connection, its database, and the port of a neighbour."""
    variables = {
        "WEB_CONCURRENCY": "1",
        "DATABASE_POOL_LIMIT": "1",
        "IDEMPOTENCY_SECONDS": str(REMEMBERED_SECONDS),
        "PYTHONPATH": str(CLOCK),
    }
    with ExitStack() as stack:
        url = stack.enter_context(cloned(server_url, template))
        port = stack.enter_context(neighbour())
        service = stack.enter_context(gunicorn(url, "jumping:app", NEIGHBOUR=str(port), **variables))
        service.wait_until_serving()
        yield service, url, port


@pytest.fixture
async def jumper(running: tuple[Service, str, int]) -> AsyncGenerator[Jumper]:
    """Who lets it jump."""
    async with httpx.AsyncClient(base_url=running[0].url, timeout=20) as client:
        yield Jumper(*running, client)


@asynccontextmanager
async def meanwhile(work: Any) -> AsyncGenerator[asyncio.Task[Any]]:  # noqa: ANN401 - any coroutine
    """Let it go on while the block runs, which waits a moment for it to begin, and then for its end."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        await asyncio.sleep(0.1)
        yield task


async def timed(client: httpx.AsyncClient, path: str, **headers: str) -> tuple[int, float]:
    started = perf_counter()
    answer = await client.get(path, headers=headers)
    return answer.status_code, perf_counter() - started


async def test_the_jump_reaches_the_modules_of_the_service(jumper: Jumper, jump: float) -> None:
    """Their log lines say so; that nothing else notices would prove little without it."""
    before = len(jumper.service.lines("request"))
    await jumper.status("/wait?seconds=0")
    await jumper.jump(jump)
    await jumper.status("/wait?seconds=0")
    lines = jumper.service.wait_for("request", before + 4)[before:]
    first, *_jumps, last = (datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines)

    assert abs(last - first - jump) < LATE_SECONDS


async def test_a_deadline_comes_when_it_should(jumper: Jumper, jump: float) -> None:
    asked = timed(jumper.client, "/wait?seconds=8", **{"X-Request-Timeout-Ms": "800"})
    async with meanwhile(asked) as waiting:
        await jumper.jump(jump)
    status, seconds = waiting.result()

    assert (status, 0.7 < seconds < 0.8 + LATE_SECONDS) == (504, True)


async def test_who_waits_for_a_connection_gets_the_next_one(jumper: Jumper, jump: float) -> None:
    async with meanwhile(timed(jumper.client, "/hold?seconds=0.6")) as holding:
        await jumper.jump(jump)
        waited = await timed(jumper.client, "/hold?seconds=0")

    assert (holding.result()[0], waited[0]) == (200, 200)


async def test_who_waits_in_vain_is_told_so_in_time(jumper: Jumper, jump: float) -> None:
    async with (
        meanwhile(timed(jumper.client, "/hold?seconds=1.6")) as holding,
        meanwhile(timed(jumper.client, "/hold?seconds=0")) as waiting,
    ):
        await jumper.jump(jump)
    status, seconds = waiting.result()

    assert (holding.result()[0], status) == (200, 503)
    assert 0.7 < seconds < 1.0 + LATE_SECONDS  # DATABASE_POOL_WAIT_SECONDS


async def test_readiness_looks_again(jumper: Jumper, jump: float) -> None:
    assert await jumper.seconds_until("/health/ready", 200) < 1 + LATE_SECONDS
    await jumper.jump(jump)
    await jumper.run("ALTER TABLE alembic_version RENAME TO hidden")
    away = await jumper.seconds_until("/health/ready", 503)
    await jumper.jump(-jump)
    await jumper.run("ALTER TABLE hidden RENAME TO alembic_version")
    back = await jumper.seconds_until("/health/ready", 200)

    assert max(away, back) < 1 + LATE_SECONDS


async def test_an_answer_of_a_neighbour_is_kept_for_its_time(jumper: Jumper, jump: float) -> None:
    await jumper.become("answer")
    path = f"/ask?thing=kept{jump}"
    assert await jumper.status(path) == 200
    await jumper.become("fail")
    await jumper.jump(jump)
    at_once = await jumper.status(path)
    over = await jumper.seconds_until(path, 503)
    await jumper.become("answer")
    await jumper.seconds_until(path, 200)

    assert at_once == 200
    assert over < KEPT_SECONDS + LATE_SECONDS


async def test_a_schema_that_changes_is_met_once(jumper: Jumper, jump: float) -> None:
    async def write() -> int:
        return (await jumper.client.post("/rows")).status_code

    await jumper.run("DROP TABLE IF EXISTS scratch_rows; CREATE TABLE scratch_rows (number int)")
    before = [await write(), await write(), await jumper.status("/rows"), await jumper.status("/rows")]
    await jumper.jump(jump)
    await jumper.run("ALTER TABLE scratch_rows ALTER COLUMN number TYPE bigint")
    writes = [await write(), await write()]
    await jumper.run("ALTER TABLE scratch_rows ALTER COLUMN number TYPE int")
    reads = [await jumper.status("/rows"), await jumper.status("/rows")]

    assert set(before[1:]) == {200}  # the first one may meet the table of an earlier test
    assert (writes, reads) == ([503, 200], [200, 200])


async def test_a_breaker_closes_again(jumper: Jumper, jump: float) -> None:
    await jumper.become("answer")
    await jumper.seconds_until(f"/ask?thing=before{jump}", 200)
    await jumper.become("fail")
    async with asyncio.timeout(10):
        while await jumper.title("/ask?thing=broken") != "Downstream refused by its breaker":
            pass
    await jumper.become("answer")
    await jumper.jump(jump)
    at_once = await jumper.title("/ask?thing=broken")
    closed = await jumper.seconds_until(f"/ask?thing=after{jump}", 200)

    assert at_once == "Downstream refused by its breaker"
    assert closed < KEPT_SECONDS + LATE_SECONDS


async def test_an_answer_is_kept_for_its_key_as_long_as_it_should(jumper: Jumper, jump: float) -> None:
    await jumper.run("CREATE SEQUENCE IF NOT EXISTS scratch_numbers")
    key = {"Idempotency-Key": f"jump{jump}"}
    first = await jumper.client.post("/numbers", headers=key)
    await jumper.jump(jump)
    second = await jumper.client.post("/numbers", headers=key)
    await asyncio.sleep(REMEMBERED_SECONDS + 0.1)
    later = await jumper.client.post("/numbers", headers=key)

    assert second.json() == first.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert later.json()["number"] > first.json()["number"]

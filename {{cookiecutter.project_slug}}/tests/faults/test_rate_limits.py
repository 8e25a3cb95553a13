"""A client's rate limit is exact over two workers, and a failing store of rate limits does not lift the limit.

The response cache keeps principals apart, and a request is counted once even if the store's reply is lost.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest

from app.rate_limits.limiter import PAUSE_SECONDS
from tests.databases import cloned
from tests.faults.clients import ATTEMPTS, late, undisturbed
from tests.faults.timeline import fault
from tests.http_client import httpx
from tests.server.processes import Service, gunicorn
from tests.valkey.server import Valkey, losing_replies, needs_valkey, valkey_server


class Hits(NamedTuple):
    """The number of responses by status, and the process ids of the workers that allowed a request."""

    statuses: Counter[int]
    workers: set[int]


pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
    needs_valkey,
]

QUOTA, INTERVAL_SECONDS = 120, 30
"""The rate limit of `limited_app.py`'s route, and the seconds after which it allows one more request."""

HITS, CONNECTIONS, WORKERS = 400, 100, 2

SECONDS = 60
"""The timeout of all requests together, in seconds: many times the measured time."""

LOCKED_SECONDS = 1.0
"""The bound on a request while the store's table is locked, in seconds: ten times the store's timeout."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    """A Valkey server, which is the store of rate limits and of the response cache for `on_valkey`."""
    with valkey_server() as server:
        yield server


@pytest.fixture(scope="module")
def database_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a database that only this file's services use."""
    with cloned(server_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def on_postgresql(database_url: str) -> Iterator[Service]:
    """The service of `limited_app.py` with PostgreSQL as store, without REDIS_URL."""
    with limited(database_url) as service:
        yield service


@pytest.fixture(scope="module")
def on_valkey(database_url: str, valkey: Valkey) -> Iterator[Service]:
    """The service of `limited_app.py` with Valkey as store, by REDIS_URL."""
    with limited(database_url, REDIS_URL=valkey.url.get_secret_value()) as service:
        yield service


@contextmanager
def limited(database_url: str, **variables: str) -> Iterator[Service]:
    """Run the service of `limited_app.py` with two workers, and room for all requests at the same time."""
    room = {"ROUTE_GROUPS__OTHERS__MAX_CONCURRENT": str(HITS), "WEB_CONCURRENCY": str(WORKERS)}
    arguments = ("--pythonpath=tests/faults", "limited_app:app")
    with gunicorn(database_url, *arguments, **room | variables) as service:
        service.wait_until_started(int((room | variables)["WEB_CONCURRENCY"]))
        yield service


async def hit(
    service: Service, subject: str, halfway: Callable[[], object] = lambda: None, *, patience: float = 0
) -> Hits:
    """Send all of a client's requests over many connections, and call `halfway` in the middle.

    `patience` is the longest wait of a request for the store in seconds; 0 means the service's default of 0.1 s.

    The sockets are raw: an HTTP library would need more CPU than the service, whose stores would then answer too late.
    """
    hits, headers = Hits(Counter(), set()), f"Host: service\r\nSubject: {subject}\r\nPatience: {patience}"

    async def send() -> None:
        address = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for _ in range(HITS // CONNECTIONS):
            writer.write(f"GET /limited HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            body = await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
            status = int(head.split()[1])
            hits.statuses[status] += 1
            if status == HTTPStatus.OK:
                hits.workers.add(int(body))
            if hits.statuses.total() == QUOTA // 2:
                halfway()
        writer.close()

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(send())
    return hits


async def test_the_quota_is_exact_over_two_workers_on_postgresql(on_postgresql: Service) -> None:
    """The store of rate limits has a timeout of 60 s: at the default of 0.1 s, a busy machine made counts too late."""
    hits = await hit(on_postgresql, "exact", patience=SECONDS)

    assert hits.statuses == {200: QUOTA, 429: HITS - QUOTA}
    assert len(hits.workers) == WORKERS


async def test_a_locked_table_costs_a_hit_a_moment_and_lifts_no_limit(
    on_postgresql: Service, database_url: str
) -> None:
    locker = await asyncpg.connect(database_url)
    async with locker.transaction(), httpx.AsyncClient(timeout=SECONDS) as client:
        await locker.execute("LOCK TABLE rate_limits")

        async def wait() -> dict[str, float]:
            await asyncio.sleep(1.5 * PAUSE_SECONDS)  # after this pause, requests ask the store of rate limits again
            began = perf_counter()
            answer = await client.get(f"{on_postgresql.url}/limited", headers={"Subject": "first"})
            assert answer.status_code == HTTPStatus.OK
            return late(hit=(perf_counter() - began, LOCKED_SECONDS))

        too_late = await undisturbed(wait)
        hits = await hit(on_postgresql, "locked")
    await locker.close()

    assert too_late == {}
    assert set(hits.statuses) == {200, 429}
    assert QUOTA <= hits.statuses[200] <= QUOTA * WORKERS


async def test_the_quota_is_exact_over_two_workers_on_valkey(on_valkey: Service) -> None:
    """Hits are repeated if Valkey misses the timeout of 0.1 s on a busy machine: only the worker counts such a hit."""
    for number in range(ATTEMPTS):
        hits = await hit(on_valkey, f"exact {number}")
        assert QUOTA <= hits.statuses[200] <= QUOTA * WORKERS
        if hits.statuses[200] == QUOTA:
            break
        await asyncio.sleep(1.5 * PAUSE_SECONDS)  # after this pause, requests ask Valkey again

    assert hits.statuses == {200: QUOTA, 429: HITS - QUOTA}
    assert len(hits.workers) == WORKERS


async def test_two_principals_never_share_a_cached_response(on_valkey: Service) -> None:
    """Principals stay apart in the caches of the workers and in Valkey: a new connection may lead to either worker."""
    async with httpx.AsyncClient(base_url=on_valkey.url, timeout=SECONDS) as client:
        names = [
            (await client.get("/name", headers={"Subject": name, "Connection": "close"})).json()
            for name in ["Alice", "Bob"] * 6
        ]

    assert names == ["Alice", "Bob"] * 6


@pytest.mark.parametrize("break_it", [Valkey.freeze, Valkey.kill])
async def test_a_valkey_that_fails_meanwhile_lifts_no_limit(
    on_valkey: Service, valkey: Valkey, break_it: Callable[[Valkey], None]
) -> None:
    with fault("Valkey fails"):
        hits = await hit(on_valkey, break_it.__name__, lambda: break_it(valkey))
    valkey.restart()
    on_valkey.wait_for("optional dependency is down", part="store of rate limits")
    await asyncio.sleep(1.5 * PAUSE_SECONDS)  # after this pause, the next test's requests ask Valkey again

    assert set(hits.statuses) == {200, 429}
    assert QUOTA <= hits.statuses[200] <= QUOTA * WORKERS


async def test_a_hit_whose_reply_is_lost_counts_once(database_url: str, valkey: Valkey) -> None:
    valkey.send("FLUSHALL")
    async with losing_replies(valkey, b"EVALSHA") as url, httpx.AsyncClient(timeout=SECONDS) as client:
        with limited(database_url, WEB_CONCURRENCY="1", REDIS_URL=url) as service:
            answer = await client.get(f"{service.url}/limited", headers={"Subject": "lost"})

    assert answer.status_code == 200
    assert valkey.hits_of("*:rate:tried:*", interval=INTERVAL_SECONDS) == 1

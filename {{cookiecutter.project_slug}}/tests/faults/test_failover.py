"""A failover: writes get 503 while the database's address leads to a standby, and succeed once it is a primary."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from app.database.driver import STANDBY
from devtools.cluster import Cluster
from tests.database.test_pool import Relay
from tests.databases import ensure_template
from tests.faults.items_table import SCHEMA, execute
from tests.faults.standby import Standby, replicated, until_replayed
from tests.http_client import httpx
from tests.server.processes import gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")


@pytest.fixture
def servers() -> Iterator[tuple[Cluster, Standby, str]]:
    """A primary, its standby, and the name of a migrated database on both."""
    with replicated() as (primary, standby):
        name = ensure_template(primary.url())
        asyncio.run(execute(primary.url(name), SCHEMA))
        asyncio.run(until_replayed(primary, standby))
        yield primary, standby, name


@asynccontextmanager
async def service_at(url: str, **variables: str) -> AsyncGenerator[tuple[Relay, httpx.AsyncClient]]:
    """Run the service of `items_app.py` with a relay in front of its database; yield the relay and an HTTP client."""
    relay = Relay(url)
    async with relay.listening() as address:
        settings = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error"} | variables
        with gunicorn(address, "--pythonpath=tests/faults", "items_app:app", **settings) as service:
            await asyncio.to_thread(service.wait_until_serving)
            async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
                yield relay, client


async def reasons(client: httpx.AsyncClient) -> list[str]:
    """Return the reasons why the service is not ready, from a check of the database that began after this call."""
    await asyncio.sleep(1.1)
    found: list[str] = (await client.get("/health/ready")).json()["reasons"]
    return found


async def test_a_failover_is_503_until_the_standby_is_promoted(servers: tuple[Cluster, Standby, str]) -> None:
    primary, standby, name = servers
    async with service_at(primary.url(name)) as (relay, client):
        before = [await client.post("/items/11"), await client.get("/items/1")]
        await until_replayed(primary, standby)
        relay.behind = urlsplit(standby.url(name))
        await asyncio.to_thread(primary.stop)
        during = [await client.post(f"/items/{number}") for number in range(21, 31)]
        ready = [await reasons(client)]
        await asyncio.to_thread(standby.promote)
        after = await client.post("/items/12")
        ready.append(await reasons(client))

    assert [answer.status_code for answer in before] == [201, 200]
    assert {(answer.status_code, answer.headers.get("retry-after")) for answer in during} == {(503, "1")}
    assert during[-1].json()["detail"] == STANDBY
    assert after.status_code == 201
    assert ready == [[STANDBY], []]


async def test_a_service_that_starts_on_a_standby_writes_once_it_reaches_the_primary(
    servers: tuple[Cluster, Standby, str],
) -> None:
    primary, standby, name = servers
    async with service_at(standby.url(name)) as (relay, client):
        ready = [await reasons(client)]
        during = [await client.post("/items/11"), await client.get("/items/1")]
        relay.behind = urlsplit(primary.url(name))
        after = [await client.post("/items/12"), await client.get("/items/1")]
        ready.append(await reasons(client))

    assert [answer.status_code for answer in during] == [503, 503]
    assert [answer.status_code for answer in after] == [201, 200]
    assert ready == [[STANDBY], []]


async def test_a_deployment_that_only_reads_serves_reads_from_a_standby(servers: tuple[Cluster, Standby, str]) -> None:
    """A standby refuses to begin a write transaction: the write gets 503, and the service closes the connection.

    A later write therefore reaches the primary once the address leads there.
    """
    primary, standby, name = servers
    # A busy machine opens connections late, and twenty reads at once open several.
    variables = {"DATABASE_TARGET": "any", "DATABASE_QUEUE_TIMEOUT_SECONDS": "30"}
    async with service_at(standby.url(name), **variables) as (relay, client):
        ready = await reasons(client)
        reads = await asyncio.gather(*(client.get("/items/1") for _ in range(20)))
        writes = [await client.post("/items/11") for _ in range(3)]
        relay.behind = urlsplit(primary.url(name))
        later = [(await client.post(f"/items/{number}")).status_code for number in range(12, 24)]

    assert ready == []
    assert {answer.status_code for answer in reads} == {200}
    assert {(answer.status_code, answer.headers.get("retry-after")) for answer in writes} == {(503, "1")}
    assert later == sorted(later, reverse=True)  # writes get 503 while connections to the standby remain, then 201
    assert later[-1] == 201

"""Each alert in ops/ fires on its fault, and Prometheus has scraped every metric of the rules and the dashboard.

The rules run with seconds in place of minutes: a rule that waits for two minutes needs a fault of two seconds. The
alerts of downstreams and of jobs have test files of their own.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import run_statement
from tests.faults.clients import Client, for_a_while
from tests.faults.prometheus import (
    OF_EACH_SERVICE,
    RULES,
    Prometheus,
    needs_prometheus,
    prometheus,
    queries_of,
    quick,
)
from tests.server.processes import Service, gunicorn, gunicorn_writing_to

pytestmark = [needs_prometheus, pytest.mark.skipif(sys.platform != "linux", reason="writes to /dev/full")]

CLIENTS, OVERLOAD_SECONDS = 60, 12
"""The number of clients, more than the connection pool serves, and the seconds of the overload, more than the alert
rules wait."""

OVERLOADED = ("ErrorsBurnFast", "ErrorsBurnSlowly", "EventLoopBlocked", "LoadShed", "PoolWait", "LogLinesDropped")


@pytest.fixture
def overloaded(committed_url: str, tmp_path: Path) -> Iterator[Service]:
    """The service with routes that are slow, fail or block the event loop; writing its log fails."""
    metered = ("--pythonpath=tests/faults", "metered_app:app")
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        gunicorn_writing_to(full, tmp_path / "log", committed_url, *metered) as service,
    ):
        service.wait_until_serving()
        yield service


@pytest.fixture
def silent(committed_url: str) -> Iterator[Service]:
    """A service whose worker and metrics exporter a test stops."""
    with gunicorn(committed_url, WEB_CONCURRENCY="1") as service:
        service.wait_until_started(workers=1)
        yield service


async def ask_slow(client: Client) -> None:
    if await client.ask("/slow") == 503:
        await asyncio.sleep(0.2)


async def ask_bad(client: Client) -> None:
    await client.ask("/fails")
    await client.ask("/block/300")
    await client.ask("/tasks?number=1", method="POST")


async def overload(service: Service, found: Prometheus) -> None:
    """Send more requests than the connection pool serves, of which some fail or block; wait until the alerts fire."""
    await asyncio.gather(
        for_a_while(service.url, CLIENTS, OVERLOAD_SECONDS, ask_slow),
        for_a_while(service.url, 2, OVERLOAD_SECONDS, ask_bad),
        *map(found.fired, OVERLOADED),
    )


async def change_schema(url: str, found: Prometheus) -> None:
    """Set the database to a revision that the service does not know, and wait until the alert fires."""
    await run_statement(url, "UPDATE alembic_version SET version_num = 'unknown'")
    await found.fired("ReplicaNotReady")


async def silence(service: Service, found: Prometheus) -> None:
    """Stop a service's worker with SIGSTOP, then kill its metrics exporter; wait until an alert fires each time."""
    (worker,) = service.workers()
    (exporter,) = service.children() - {worker}
    os.kill(worker, signal.SIGSTOP)
    await found.fired("WorkerSilent")
    os.kill(exporter, signal.SIGKILL)
    await found.fired("ServiceGone")


async def test_each_alert_fires_by_its_fault(
    overloaded: Service, silent: Service, committed_url: str, tmp_path: Path
) -> None:
    async with prometheus(tmp_path, quick(RULES), overloaded.management, silent.management) as found:
        await found.until("sum(up) == 2")
        before = await found.pending()
        await overload(overloaded, found)
        await asyncio.gather(change_schema(committed_url, found), silence(silent, found))
        missing = OF_EACH_SERVICE - await found.names()
        shown = await found.with_samples(queries_of(OF_EACH_SERVICE))

    assert before == -1
    assert not missing
    assert queries_of(OF_EACH_SERVICE) - shown == set()

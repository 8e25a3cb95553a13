"""Metrics under faults: a killed worker loses no count, and a scrape is answered while every event loop is blocked."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.ports import free_port
from tests.databases import cloned
from tests.faults.bulkheads import sampled
from tests.http_client import httpx
from tests.scrape import scraped, total
from tests.server.processes import Service, gunicorn
from tests.server.test_metrics import names
from tests.smoke.raw_http import asked, head
from tests.tasks import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="gunicorn, and a look at its processes in /proc")

METERED = ("--pythonpath=tests/faults", "metered_app:app")
COUNT = "http_server_request_duration_seconds_count"

ODD = ("PROPFIND", "MKCOL", "REPORT", "PURGE")
"""Methods that the HTTP parser knows but the service does not; any other method is refused before it is counted."""

STATUSES, SAMPLES = 6, 17
"""The number of statuses in use on a route, and of samples in a histogram: 14 bounds, infinity, sum and count."""


@pytest.fixture(scope="module")
def metered_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a migrated database that only this file uses."""
    with cloned(server_url, template) as url:
        yield url


@pytest.fixture
def service(metered_url: str) -> Iterator[Service]:
    """The service of `metered_app.py` with two workers."""
    with gunicorn(metered_url, *METERED) as service:
        service.wait_until_started()
        yield service


def counted(service: Service, **labels: str) -> float:
    return total(scraped(service.management), COUNT, **labels)


def lags(service: Service) -> tuple[float, float]:
    """Return the sum of the event loops' measured lags, in seconds, and the number of lags of more than 0.25 s."""
    found, name = scraped(service.management), "app_eventloop_lag_seconds"
    return total(found, f"{name}_sum"), total(found, f"{name}_count") - total(found, f"{name}_bucket", le="0.25")


def exists(path: Path) -> bool:
    return path.exists()


async def requested(service: Service, method: str, path: str) -> int:
    """Send a request on a new connection, and return the status."""
    return (await asked(service.url, [head(method, path, "Connection: close", "Content-Length: 0")])).status


async def test_labels_are_whole_templates_and_strangers_add_no_series(service: Service) -> None:
    parts = [f"/api/v9/things/{part}" for part in ("1/parts/2", "3/parts/4", "3/parts/x")]
    for path in (*parts, "/mount/mounted/1"):
        await requested(service, "GET", path)
    for number in range(20):
        await requested(service, "GET", f"/nowhere/{number}?token=canary")
        await requested(service, "GET", f"/mount/nowhere/{number}")
        await requested(service, ODD[number % len(ODD)], "/nowhere")
        await requested(service, "POST", f"/tasks?number={number}")
        await requested(service, "GET", "/fails")
    await until(lambda: counted(service) >= 104)
    found = await sampled(service.management)

    routes = {one.labels["http_route"]: one.value for one in found if one.name == COUNT}
    methods = {one.labels["http_request_method"] for one in found if one.name == COUNT}
    assert {"/api/v9/things/{inner_id}/parts/{part_id}", "/mount/mounted/{number}", "unmatched"} <= routes.keys()
    assert len(routes) <= 7  # also /tasks, /fails, /mount/{path}, and requests that the HTTP parser refused
    assert methods <= {"GET", "POST", "_OTHER"}
    assert "canary" not in str(found)
    series = [one for one in found if one.name.startswith(COUNT.removesuffix("count"))]
    assert len(series) <= len(routes) * STATUSES * SAMPLES
    assert total(found, "app_background_task_duration_seconds_count") == 20


async def test_a_scrape_waits_for_a_file_that_a_worker_is_creating(service: Service) -> None:
    """prometheus_client creates an empty metrics file and sets the size later: a scrape in between must not fail."""
    created = service.metrics_folder() / "counter_9.db"
    created.touch()

    scrape = asyncio.create_task(asyncio.to_thread(scraped, service.management))
    await asyncio.sleep(0.1)
    os.truncate(created, 1 << 20)

    assert await scrape


async def test_counts_never_fall_and_files_do_not_grow_while_workers_are_killed(service: Service) -> None:
    counts, files = [0.0], set[str]()
    folder = service.metrics_folder()
    for number in range(3):
        for _ in range(20):
            await requested(service, "GET", "/health/live")
        await until(lambda number=number: counted(service) >= 20 * (number + 1))  # type: ignore[misc] # of the loop
        files = files or names(folder)
        os.kill(min(service.workers()), signal.SIGKILL)
        while len(service.lines("Application startup complete.")) < 3 + number:
            counts.append(counted(service))
            await asyncio.sleep(0.02)
    found = await sampled(service.management)

    assert counts == sorted(counts)
    assert total(found, COUNT) == 60
    assert names(folder) == files
    assert total(found, "app_bulkhead_limit", name="/health/live") == 2 * 10
    assert len([one for one in found if one.name == "app_process_sampled_timestamp_seconds"]) == 2


async def test_recycled_and_reloaded_workers_lose_no_count(metered_url: str) -> None:
    with gunicorn(metered_url, *METERED, "--max-requests", "40") as service:
        service.wait_until_started()
        for _ in range(150):
            assert await requested(service, "GET", "/health/live") == 200
        service.wait_for("application stopped")
        service.wait_for("Application startup complete.", 3)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("application stopped", 3)
        assert await requested(service, "GET", "/health/live") == 200
        await until(lambda: counted(service) >= 151)

        assert counted(service) == 151


async def test_a_scrape_is_answered_while_every_worker_is_blocked(service: Service) -> None:
    blocked = [asyncio.create_task(requested(service, "GET", "/block/3000")) for _ in range(8)]
    await until(lambda: len(service.lines("event loop is blocked")) >= 2)
    seconds = []
    for _ in range(8):
        began = time.perf_counter()
        await asyncio.to_thread(scraped, service.management)
        seconds.append(time.perf_counter() - began)
    assert not any(task.done() for task in blocked[2:])
    await asyncio.gather(*blocked)

    assert max(seconds) < 0.5, seconds


async def test_a_block_of_the_event_loop_is_in_the_lag(service: Service) -> None:
    before = lags(service)
    await requested(service, "GET", "/block/300")
    await asyncio.sleep(0.2)
    seconds, late = lags(service)

    assert seconds - before[0] >= 0.24
    assert late - before[1] >= 1  # a measured lag covers nearly all of the 300 ms in which the event loop was blocked


async def test_the_exporter_outlives_a_killed_master_and_ends_with_the_last_worker(metered_url: str) -> None:
    with gunicorn(metered_url, *METERED) as service:
        service.wait_until_started()
        folder, children, workers = service.metrics_folder(), service.children(), service.workers()
        service.process.kill()
        await requested(service, "GET", "/health/live")
        await until(lambda: counted(service) == 1)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        await until(lambda: not any(exists(Path(f"/proc/{pid}/exe")) for pid in children))

        assert not exists(folder)


def test_a_taken_management_port_is_one_sentence_and_the_service_serves(metered_url: str) -> None:
    port = free_port()
    with gunicorn(metered_url, MANAGEMENT_PORT=str(port)) as first:
        first.wait_until_started()
        with gunicorn(metered_url, MANAGEMENT_PORT=str(port)) as second:
            (line,) = second.wait_for("management port not served")
            second.wait_until_started()
            answer = httpx.get(f"{second.url}/health/live")
        after = scraped(f"http://127.0.0.1:{port}")

    assert (line["port"], answer.status_code) == (port, 200)
    assert "Traceback" not in str(line)
    assert after


def test_the_port_0_serves_no_metrics_and_starts_no_exporter(metered_url: str) -> None:
    with gunicorn(metered_url, MANAGEMENT_PORT="0") as service:
        service.wait_until_started()

        assert service.children() == service.workers()

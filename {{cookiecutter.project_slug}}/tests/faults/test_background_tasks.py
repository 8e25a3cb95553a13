"""Background tasks of writing requests: each task finds the row of its request after the commit.

A request that is rolled back starts no task.
"""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from tests.faults.items_table import SCHEMA, execute, items_service
from tests.http_client import httpx
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

NUMBERS = range(100, 200)


@pytest.fixture
def running(server_url: str, template: str) -> Iterator[Service]:
    """The service of `items_app.py` with two workers, and the table `items`."""
    with items_service(server_url, template, WEB_CONCURRENCY="2") as (service, url):
        asyncio.run(execute(url, SCHEMA))
        yield service


async def test_a_task_starts_after_the_commit_and_never_after_a_rollback(running: Service) -> None:
    bounds = httpx.Limits(max_connections=5)
    paths = [f"/items/{number}/looked-for" for number in NUMBERS]
    async with httpx.AsyncClient(base_url=running.url, limits=bounds, timeout=30) as client:
        first = await asyncio.gather(*(client.post(path) for path in paths))
        again = await asyncio.gather(*(client.post(path) for path in paths))
    running.wait_for("looked for an item", len(NUMBERS))
    looks = [(line["number"], line["rows"]) for line in running.lines("looked for an item")]

    assert ({answer.status_code for answer in first}, {answer.status_code for answer in again}) == ({201}, {409})
    assert sorted(looks) == [(number, 1) for number in NUMBERS]

"""Unexpected exceptions in a handler: the 500 reveals no internals, and the connection stays open."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults.clients import Answers, Client
from tests.faults.items_table import SCHEMA, execute, items_service, stored_items
from tests.http_client import httpx
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

TIMES = 50
"""The number of failing requests on a connection, each followed by a successful request."""

FAILURES = [("GET", "/broken"), ("POST", "/items/3/broken")]


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service with routes that raise exceptions, and the URL of the database with the table `items`."""
    with items_service(server_url, template) as (service, url):
        asyncio.run(execute(url, SCHEMA))
        yield service, url


@pytest.mark.parametrize(("method", "path"), FAILURES)
async def test_the_connection_of_a_500_serves_the_next_request(
    running: tuple[Service, str], method: str, path: str
) -> None:
    service, url = running
    before = await stored_items(url)
    answers = Answers()
    client = Client(service.url, answers)
    seen: Counter[tuple[int, bool, int]] = Counter()
    for _ in range(TIMES):
        failed = await client.ask(path, method=method)
        seen[failed, client.connected, await client.ask("/items/1")] += 1
    client.close()

    assert seen == {(500, True, 200): TIMES}
    assert answers.resets == 0
    assert await stored_items(url) == before


@pytest.mark.parametrize(("method", "path"), FAILURES)
async def test_the_response_has_a_request_id_and_nothing_internal(
    running: tuple[Service, str], method: str, path: str
) -> None:
    async with httpx.AsyncClient(base_url=running[0].url) as client:
        answer = await client.request(method, path)

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "code": "internal_error",
        "title": "Internal error",
        "status": 500,
        "detail": "The service failed. Quote the request id when you report it.",
        "request_id": answer.headers["x-request-id"],
    }

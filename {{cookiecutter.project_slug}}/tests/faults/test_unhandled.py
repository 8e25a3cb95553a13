"""An exception that nobody expects: the answer tells nothing, and the next request on the connection is served."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from app.downstreams.client import httpx
from tests.faults.clients import Answers, Client
from tests.faults.things import SCHEMA, rows, run, things
from tests.server.processes import Service

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
]

TIMES = 50
FAILURES = [("GET", "/broken"), ("POST", "/things/3/broken")]


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, str]]:
    """The service and its database."""
    with things(server_url, template) as (service, url):
        asyncio.run(run(url, SCHEMA))
        yield service, url


@pytest.mark.parametrize(("method", "path"), FAILURES)
async def test_the_next_fifty_on_the_same_connection_are_served(
    running: tuple[Service, str], method: str, path: str
) -> None:
    service, url = running
    before = await rows(url)
    answers = Answers()
    client = Client(service.url, answers)
    seen: Counter[tuple[int, bool, int]] = Counter()
    for _ in range(TIMES):
        failed = await client.ask(path, method=method)
        seen[failed, client.connected, await client.ask("/things/1")] += 1
    client.close()

    assert seen == {(500, True, 200): TIMES}
    assert answers.resets == 0
    assert await rows(url) == before


@pytest.mark.parametrize(("method", "path"), FAILURES)
async def test_the_answer_has_an_id_to_quote_and_nothing_else(
    running: tuple[Service, str], method: str, path: str
) -> None:
    async with httpx.AsyncClient(base_url=running[0].url) as client:
        answer = await client.request(method, path)

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Internal error",
        "status": 500,
        "detail": "The service failed. Quote the request id when you report it.",
        "request_id": answer.headers["x-request-id"],
    }

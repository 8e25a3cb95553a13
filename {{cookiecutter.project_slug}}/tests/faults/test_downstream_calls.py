"""Downstream calls under gunicorn: each path segment arrives as it was encoded.

Calls that a request's deadline cuts off open the circuit breaker.
"""

import asyncio
import sys
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from tests.faults.faulty_downstream import MAX_CONCURRENT, become, serving_with_downstreams, until_recovered
from tests.http_client import httpx
from tests.server.processes import Service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

SHORT_DEADLINE = {"X-Request-Timeout-Ms": "1400"}
"""The headers of a client with a deadline of 1.4 s: shorter than a call's read timeout (1.5 s), and longer than half of
its total timeout (2 s), from which on the circuit breaker counts a call that the deadline cuts off as a failure."""


@pytest.fixture(scope="module")
def running(server_url: str, template: str) -> Iterator[tuple[Service, int]]:
    """The service of `downstream_app.py` with one worker, and the port of the bad downstream."""
    with serving_with_downstreams(server_url, template) as running:
        yield running


async def test_calls_that_a_short_deadline_cuts_off_open_the_circuit_breaker(running: tuple[Service, int]) -> None:
    """The deadline of each request is shorter than a call's read timeout, so that only the deadline ends the calls."""
    service, bad = running
    become(bad, "never")
    codes: set[str] = set()
    async with httpx.AsyncClient(base_url=service.url, headers=SHORT_DEADLINE) as client:
        for _ in range(6):
            answers = await asyncio.gather(*(client.get("/bad") for _ in range(MAX_CONCURRENT)))
            codes |= {answer.json()["code"] for answer in answers}
    become(bad, "answer")
    await until_recovered(service, "/bad")

    assert "downstream_refused" in codes


@pytest.mark.parametrize("part", ["a;b=c,d&e:f@g", "%2e%2e", "a/b?c#d", "+ ~%3B"])
async def test_a_path_segment_reaches_the_downstream_as_it_was_encoded(running: tuple[Service, int], part: str) -> None:
    service, _bad = running

    found = httpx.get(f"{service.url}/echo", params={"part": part}).json()

    assert found == f"/echo/{quote(part, safe='')}?{urlencode({'part': part})}"

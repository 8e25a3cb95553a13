"""Untrusted and trusted clients: only trusted clients may send a deadline or a trace, or see the worker's load."""

import asyncio
import json
import sys
from collections.abc import Iterator
from time import perf_counter
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.clients import Client, for_a_while
from tests.server.processes import Service, serving
from tests.smoke.raw_http import asked, head, sevens

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"Traceparent: 00-{TRACE}-b7ad6b7169203331-01"
FORWARDED = "X-Forwarded-For: 203.0.113.7"
"""The header by which a trusted proxy names the address of a client: here, an untrusted client."""

DEADLINE = 0.05
ASKED = "X-Request-Timeout-Ms: 50"


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service with two workers, each with one bulkhead slot; 127.0.0.1, the address of the tests, is trusted."""
    variables = {"ROUTE_GROUPS__OTHERS__MAX_CONCURRENT": "1", "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    with serving(server_url, template, "--pythonpath=tests/smoke", "slow_app:app", **variables) as running:
        yield running


async def line_of(service: Service, path: str, *lines: str) -> dict[str, Any]:
    """Send a request, and return its access log line."""
    number = uuid4().hex
    await asked(service.url, sevens(head("GET", path, f"X-Request-ID: {number}", *lines)))
    (line,) = service.wait_for("request", request_id=number)
    return line


async def wait(service: Service, *lines: str) -> tuple[int, float]:
    """Request a response that takes 10 s without a deadline; return the status and the seconds until the response."""
    began = perf_counter()
    answer = await asked(service.url, sevens(head("GET", "/wait?seconds=10", *lines)))
    return answer.status, perf_counter() - began


async def test_a_trusted_caller_may_ask_for_a_short_deadline(service: Service) -> None:
    status, seconds = await wait(service, ASKED)

    assert status == 504
    assert DEADLINE <= seconds < 10 * DEADLINE


@pytest.mark.parametrize("asked_for", ["X-Request-Timeout-Ms: 0", "grpc-timeout: 1n"])
async def test_a_trusted_caller_without_time_left_gets_504(service: Service, asked_for: str) -> None:
    status, _ = await wait(service, asked_for)

    assert status == 504


@pytest.mark.parametrize("asked_for", [ASKED, "X-Request-Timeout-Ms: 0", "grpc-timeout: 1u"])
async def test_the_deadline_of_a_stranger_has_a_floor(service: Service, asked_for: str) -> None:
    status, seconds = await wait(service, asked_for, FORWARDED)

    assert status == 504
    assert 0.25 <= seconds < 2.5


async def test_the_trace_of_a_trusted_caller_goes_on_and_a_stranger_gets_a_new_one(service: Service) -> None:
    trusted = await line_of(service, "/caller", TRACEPARENT)
    stranger = await line_of(service, "/caller", TRACEPARENT, FORWARDED)

    assert (trusted["client"], trusted["trace_id"]) == ("127.0.0.1", TRACE)
    assert (stranger["client"], len(stranger["trace_id"])) == ("203.0.113.7", 32)
    assert stranger["trace_id"] not in {TRACE, stranger["request_id"]}


async def test_a_stranger_gets_two_words_of_readiness(service: Service) -> None:
    trusted, stranger = [
        json.loads((await asked(service.url, [head("GET", "/health/ready", *lines)])).body)
        for lines in ((), (FORWARDED,))
    ]

    assert trusted == {"status": "ready", "reasons": []}
    assert stranger == {"status": "ready"}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_a_probe_by_head_is_answered_like_a_probe_by_get(service: Service, path: str) -> None:
    by_get = await asked(service.url, [head("GET", path)])
    by_head = await asked(service.url, [head("HEAD", path), head("GET", path)])

    assert (by_get.status, by_head.status) == (200, 200)
    assert by_head.headers["content-length"] == by_get.headers["content-length"]


@pytest.mark.parametrize("path", ["/health/nothing", "/health", "/health/live/", "/health/live/more", "/health//live"])
async def test_a_path_beside_the_probes_is_an_ordinary_request(service: Service, path: str) -> None:
    line = await line_of(service, path)

    assert (line["path"], line["status"], line["route"]) == (path, 404, None)


async def test_probes_pass_a_full_bulkhead_and_paths_beside_them_do_not(service: Service) -> None:
    async def ask(client: Client) -> None:
        await client.ask("/wait?seconds=0.5")

    async def probe(client: Client) -> None:
        await client.ask("/health/live")

    async def beside(client: Client) -> None:
        await client.ask("/health/nothing")

    _, probes, others = await asyncio.gather(
        for_a_while(service.url, 20, 3.0, ask),
        for_a_while(service.url, 1, 3.0, probe),
        for_a_while(service.url, 4, 3.0, beside),
    )

    assert set(probes.seconds) == {200}
    assert 503 in others.seconds

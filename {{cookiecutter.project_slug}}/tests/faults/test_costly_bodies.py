"""Request bodies that are costly to refuse, as they are deep, wide, or invalid in every value: CPU time is bounded."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.processes import Service, gunicorn, serving
from tests.smoke.raw_http import Answer, asked, head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the CPU time of the workers from /proc")

CPU_SECONDS = 0.5
"""The most CPU seconds of a worker for one request: ten times the 50 ms that a request may block the event loop."""

MEGABYTE = 1_000_000
WIDE = {
    "unknown keys": b'{"number": 1' + b"".join(b',"%x":0' % key for key in range(100_000)) + b"}",
    "wrong items": b"[" + b"0," * 490_000 + b"0]",
    "empty items": b"[" + b"{}," * 330_000 + b"{}]",
    "wrong text": b"[" + b'"",' * 330_000 + b'""]',
}
DEEP = {
    "deep lists": b"[" * MEGABYTE,
    "deep lists, closed": b"[" * 400_000 + b"]" * 400_000,
    "deep objects": b'{"number":' * 90_000,
    "a long number": b"1" * MEGABYTE,
    "an endless string": b'"' + b'\\"' * 490_000,
}


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service of `strict_app.py` with two workers; JSON may have 1 MB, so that no size limit refuses a body."""
    variables = {"MAX_JSON_BYTES": "1048576", "LOG_LEVEL": "warning"}
    with serving(server_url, template, "--pythonpath=tests/faults", "strict_app:app", **variables) as running:
        yield running


def cpu_seconds(service: Service) -> float:
    """Return the CPU time that all workers have used, in seconds."""
    ticks = 0
    for worker in service.workers():
        fields = Path(f"/proc/{worker}/stat").read_text("ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def refused(service: Service, *parts: bytes) -> Answer:
    """Send a request, check the CPU time and the response's size, and return the response."""
    await asked(service.url, [head("GET", "/health/live")])
    before = cpu_seconds(service)
    answer = await asked(service.url, parts)
    assert cpu_seconds(service) - before < CPU_SECONDS
    assert len(answer.body) < 5_000
    return answer


@pytest.mark.parametrize("path", ["/strict", "/items"])
@pytest.mark.parametrize("body", WIDE.values(), ids=WIDE)
async def test_a_wide_body_is_refused_before_it_is_validated(service: Service, path: str, body: bytes) -> None:
    request = head("POST", path, "Content-Type: application/json", f"Content-Length: {len(body)}")
    answer = await refused(service, request, body)

    assert (answer.status, answer.problem["detail"]) == (422, "A JSON body may have at most 2000 values.")


@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
async def test_a_deep_body_is_refused(service: Service, body: bytes) -> None:
    request = head("POST", "/items", "Content-Type: application/json", f"Content-Length: {len(body)}")
    answer = await refused(service, request, body)

    assert answer.status in {400, 422}


async def test_unknown_keys_below_the_bound_are_counted_and_twenty_are_shown(service: Service) -> None:
    body = b'{"number": 1' + b"".join(b',"%x":0' % key for key in range(1_900)) + b"}"
    request = head("POST", "/strict", "Content-Type: application/json", f"Content-Length: {len(body)}")
    problem = (await refused(service, request, body)).problem

    assert (len(problem["errors"]), problem["error_count"]) == (20, 1_900)


async def test_unknown_parameters_are_counted_and_twenty_are_shown(service: Service) -> None:
    query = "&".join(f"{key:x}" for key in range(1_500))
    problem = (await refused(service, head("GET", f"/query?{query}"))).problem

    assert (len(problem["errors"]), problem["error_count"]) == (20, 1_500)


async def test_json_has_a_limit_of_its_own(committed_url: str) -> None:
    with gunicorn(committed_url, LOG_LEVEL="warning") as running:
        running.wait_until_serving()
        length, body = "Content-Length: 70000", b" " * 70_000
        as_json = await asked(running.url, [head("POST", "/nowhere", "Content-Type: application/json", length), body])
        as_text = await asked(running.url, [head("POST", "/nowhere", "Content-Type: text/plain", length), body])

    assert (as_json.status, as_text.status) == (413, 404)

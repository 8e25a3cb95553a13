"""A stream that fails after its start: the connection is cut off, so that a client cannot take it for complete."""

import sys
from collections.abc import Iterator

import pytest

from tests.http_client import httpx
from tests.server.processes import Service, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

STREAMS = [
    "bytes",
    "events?reason=exception",
    "events?reason=not found",
    "events?reason=invalid",
    "lines?reason=exception",
    "lines?reason=invalid",
]
"""The streams of `streams_app.py`: plain bytes, server-sent events and JSON lines, with the reason to fail."""


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service of `streams_app.py` with one worker, which logs errors only."""
    arguments = ("--pythonpath=tests/faults", "streams_app:app")
    with serving(server_url, template, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error") as running:
        yield running


async def read_until_cut_off(client: httpx.AsyncClient, path: str) -> bytes:
    """Return the part of a response that arrives before the connection is cut off; fail if the response is complete."""
    received = b""
    try:
        async with client.stream("GET", path) as answer:
            async for part in answer.aiter_bytes():
                received += part
    except httpx.RemoteProtocolError:
        return received
    raise AssertionError(f"the response is whole: {received!r}")


@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_that_fails_is_cut_off_and_logged_once(service: Service, path: str) -> None:
    stream = f"/{path}"
    logged = {"event": "request failed on an unexpected exception", "path": stream.partition("?")[0]}
    before = len([line for line in service.lines() if logged.items() <= line.items()])
    async with httpx.AsyncClient(base_url=service.url) as client:
        received = [await read_until_cut_off(client, stream) for _ in range(3)]
        good = await client.get("/health/live")

    assert (good.status_code, [b"first" in part for part in received]) == (200, [True] * 3)
    assert len(service.wait_for(count=before + 3, **logged)) == before + 3
    assert {line["event"] for line in service.lines()} == {
        "request failed on an unexpected exception"
    }  # the HTTP server does not log the failure a second time


async def test_an_event_stream_that_does_not_fail_ends_properly(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        answers = [await client.get("/events?reason=none") for _ in range(2)]

    assert [(answer.status_code, answer.text.count("data:")) for answer in answers] == [(200, 2)] * 2

"""Traces as a fake collector receives them: spans, trace ids on log lines, sampling, and no values of requests."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from fastapi import FastAPI, WebSocketDisconnect
from prometheus_client import generate_latest
from starlette.types import Message

from app.main import create_app
from tests.conftest import client_of
from tests.databases import make_settings
from tests.http_client import httpx
from tests.observability.collector import ERROR, Collector, attributes_of, collecting
from tests.observability.traced_routes import router, sockets
from tests.serving import served

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CANARY = "canary7f3a"
UNEXPECTED = "request failed on an unexpected exception"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A fake OpenTelemetry collector that accepts all spans."""
    with collecting() as found:
        yield found


@asynccontextmanager
async def traced(url: str, collector: Collector, **settings: object) -> AsyncGenerator[FastAPI]:
    """Run the service with traces; after the block, the collector has all spans."""
    app = create_app(make_settings(url, otel_exporter_otlp_endpoint=collector.url, **settings))
    app.include_router(router)
    async with app.router.lifespan_context(app):
        yield app


async def logged(capfd: pytest.CaptureFixture[str], requests: int = 1) -> list[dict[str, Any]]:
    """Return the log lines, once the log writer's thread has written the access log lines of `requests` requests."""
    lines: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while [line["event"] for line in lines].count("request") < requests:
            await asyncio.sleep(0.02)
            lines += map(json.loads, capfd.readouterr().out.splitlines())
    return lines


async def test_a_request_and_its_statement_are_spans_of_one_trace(shared_url: str, collector: Collector) -> None:
    async with traced(shared_url, collector) as app, client_of(app) as client:
        await client.get("/traced/echo/7?word=tea")

    request, statement = collector.named("GET /traced/echo/{number}"), collector.named("SELECT")
    assert statement.trace_id == request.trace_id
    assert statement.parent_span_id == request.span_id
    assert attributes_of(statement)["db.query.text"] == "SELECT $1::VARCHAR"
    assert attributes_of(request)["http.route"] == "/traced/echo/{number}"
    assert collector.resources["service.name"] == make_settings(shared_url).service_name


@pytest.mark.parametrize("path", ["/traced/echo/7", "/traced/echo/x", "/nowhere", "/traced/echo/7?fail=true"])
async def test_the_trace_of_a_trusted_caller_goes_on_in_spans_and_on_log_lines(
    shared_url: str, collector: Collector, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    async with traced(shared_url, collector) as app, client_of(app, raises_bugs=False) as client:
        await client.get(path, headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})

    lines = await logged(capfd)
    assert {line["trace_id"] for line in lines if line["event"] in {"request", UNEXPECTED}} == {TRACE}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert SPAN in {span.parent_span_id.hex() for span in collector.spans}


async def test_the_trace_of_a_stranger_is_not_continued(
    shared_url: str, collector: Collector, capfd: pytest.CaptureFixture[str]
) -> None:
    async with traced(shared_url, collector, forwarded_allow_ips="192.0.2.1") as app, client_of(app) as client:
        await client.get("/traced/echo/7", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})

    (line,) = [line for line in await logged(capfd) if line["event"] == "request"]
    request = collector.named("GET /traced/echo/{number}")
    assert request.trace_id.hex() == line["trace_id"] != TRACE
    assert request.parent_span_id == b""


@pytest.mark.parametrize(("flags", "spans"), [("00", 0), ("01", 2)])
async def test_the_caller_decides_whether_its_trace_is_recorded(
    shared_url: str, collector: Collector, flags: str, spans: int
) -> None:
    async with traced(shared_url, collector, otel_traces_sampler_arg=0.0) as app, client_of(app) as client:
        await client.get("/traced/echo/7")
        await client.get("/traced/echo/7", headers={"traceparent": f"00-{TRACE}-{SPAN}-{flags}"})

    assert len(collector.spans) == spans


async def test_a_probe_has_no_span(shared_url: str, collector: Collector) -> None:
    async with traced(shared_url, collector) as app, client_of(app) as client:
        await client.get("/health/live")

    assert collector.spans == []


async def test_a_stream_whose_client_left_is_no_error(shared_url: str, collector: Collector) -> None:
    async with (
        traced(shared_url, collector) as app,
        served(app) as url,
        httpx.AsyncClient() as client,
        client.stream("GET", f"{url}/traced/events") as response,
    ):
        await anext(response.aiter_bytes())

    span = collector.named("GET /traced/events")
    assert span.status.code != ERROR
    assert "error.type" not in attributes_of(span)


async def test_a_websocket_is_named_by_its_route_and_its_statement_is_in_its_trace(
    shared_url: str, collector: Collector
) -> None:
    """The test calls the ASGI app directly: without the feature of jobs, no library for real WebSockets exists."""
    messages: Iterator[Message] = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}])
    sent: list[Message] = []
    scope = {"type": "websocket", "path": "/socket/7", "headers": [], "query_string": b"", "client": ("127.0.0.1", 1)}

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    async with traced(shared_url, collector) as app:
        app.include_router(sockets)
        with suppress(WebSocketDisconnect):
            await app(scope, receive, send)

    assert sent[0]["type"] == "websocket.accept"
    socket = collector.named("WS /socket/{number}")
    assert (socket.status.code == ERROR, "error.type" in attributes_of(socket)) == (False, False)
    assert collector.named("SELECT").trace_id == socket.trace_id


async def test_a_bug_is_an_error_without_its_message(shared_url: str, collector: Collector) -> None:
    async with traced(shared_url, collector) as app, client_of(app, raises_bugs=False) as client:
        await client.get(f"/traced/echo/7?fail=true&word={CANARY}")

    span = collector.named("GET /traced/echo/{number}")
    assert (span.status.code, attributes_of(span)["error.type"], list(span.events)) == (ERROR, "500", [])


async def test_the_statement_of_a_background_task_is_in_the_trace_of_its_request(
    shared_url: str, collector: Collector
) -> None:
    async with (
        traced(shared_url, collector) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        await client.get("/traced/later")
        await asyncio.sleep(0)

    assert collector.named("SELECT").trace_id == collector.named("GET /traced/later").trace_id


async def test_no_value_is_in_a_span_on_a_log_line_or_in_a_label(
    shared_url: str, collector: Collector, capfd: pytest.CaptureFixture[str]
) -> None:
    """The canary, a secret text, is in headers, query, body, SQL values, SQL text, exceptions and database password."""
    headers = {"authorization": f"Bearer {CANARY}", "cookie": CANARY, "x-other": CANARY, "user-agent": CANARY}
    async with traced(f"postgresql://app:{CANARY}@127.0.0.1:1/none", collector) as app, client_of(app) as client:
        await client.get("/traced/echo/7")
    async with (
        traced(shared_url, collector, database_slow_statement_seconds=1e-9) as app,
        client_of(app, raises_bugs=False) as client,
    ):
        for method, path in (
            ("GET", f"/traced/echo/7?word={CANARY}"),
            ("GET", f"/traced/quoted?word={CANARY}"),
            ("GET", f"/traced/recorded?word={CANARY}"),
            ("GET", f"/traced/echo/7?fail=true&word={CANARY}"),
            ("POST", f"/traced/broken?{CANARY}={CANARY}"),
        ):
            body = {"word": CANARY} if method == "POST" else None
            await client.request(method, path, headers=headers, json=body)

    lines = await logged(capfd, 6)
    assert {"request", "slow statement", UNEXPECTED} <= {line["event"] for line in lines}
    assert [line for line in lines if CANARY in str(line)] == []
    assert CANARY.encode() not in b"".join(collector.raw)
    assert len(collector.spans) >= 7
    labels = generate_latest().decode()
    assert ("/traced/recorded" in labels, CANARY in labels) == (True, False)

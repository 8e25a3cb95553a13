"""A downstream call is one span, and its `traceparent` header names that span; tested on a real connection."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from opentelemetry import trace
from pydantic import HttpUrl

from app.downstreams.client import Call, Client
from app.observability.otlp import Traces
from app.request.trace import headers
from app.settings.downstreams import DownstreamSettings
from tests.observability.collector import CLIENT, ERROR, Collector, attributes_of, collecting

heads: list[bytes] = []


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    heads.append(await reader.readuntil(b"\r\n\r\n"))
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    await writer.drain()
    writer.close()


@pytest.fixture
async def downstream_url() -> AsyncGenerator[str]:
    """The URL of a server that answers each request with `{}` and keeps the request's head in `heads`."""
    heads.clear()
    async with await asyncio.start_server(_answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def call(url: str, collector: Collector) -> None:
    """Call a downstream inside of a span, with a query string; every attempt carries trace headers."""
    traces = Traces(collector.url, 1.0, {"service.name": "caller"})
    async with traces, Client("downstream", DownstreamSettings(base_url=HttpUrl(url))) as client:
        client.instrument(traces.provider)
        with trace.use_span(traces.provider.get_tracer("test").start_span("request"), end_on_exit=True):
            await client.send(Call("GET", "things", {"token": "canary"}, headers=headers()))


async def test_a_call_has_one_span_and_the_downstream_its_number(downstream_url: str) -> None:
    with collecting() as collector:
        await call(downstream_url, collector)

    (span,) = [span for span in collector.spans if span.kind == CLIENT]
    assert heads[0].lower().count(b"traceparent:") == 1
    assert f"traceparent: 00-{span.trace_id.hex()}-{span.span_id.hex()}-".encode() in heads[0].lower()
    assert span.parent_span_id == collector.named("request").span_id
    assert b"canary" not in b"".join(collector.raw)


async def test_a_call_that_fails_is_an_error() -> None:
    with collecting() as collector, pytest.raises(Exception, match="cannot be reached"):
        await call("http://127.0.0.1:1", collector)

    (span,) = [span for span in collector.spans if span.kind == CLIENT]
    assert span.status.code == ERROR
    assert attributes_of(span)["http.url"] == "http://127.0.0.1:1/things"

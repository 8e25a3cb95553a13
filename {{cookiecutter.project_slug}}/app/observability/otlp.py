"""Traces by OpenTelemetry, sent by a provider whose shutdown never waits for a collector that is away.

FastAPI's automatic set-up waits for the collector at the shutdown: more than 25 s for one that is away, 45 s for one
that hangs, and by then the orchestrator has killed the process. The provider of this module is closed in a thread that
the shutdown leaves behind.
"""

import asyncio
from collections.abc import Mapping
from threading import Thread
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span

from app.observability.sql_text import public_text

EXPORT_SECONDS = 2
"""The timeout of one request to the collector."""

CLOSE_SECONDS = 1.5
"""The longest wait for the last spans at the shutdown; GRACEFUL_SHUTDOWN_SECONDS keeps 2 s for closing all."""

URLS = ("url.full", "http.url", "http.target")
COPIED = (
    *("name", "kind", "context", "parent", "links", "events"),
    *("start_time", "end_time", "resource", "instrumentation_scope"),
)
CLIENT_LEFT, FAILED = "ConnectionError", 400


class Traces:
    """The traces of this process: spans of requests, statements and calls, sent to a collector in the background."""

    def __init__(self, collector: str, ratio: float, resource: Mapping[str, str]) -> None:
        """Start the thread that sends spans. `ratio` counts for requests that came without a trace."""
        exporter = OTLPSpanExporter(endpoint=f"{collector}/v1/traces", timeout=EXPORT_SECONDS)
        sampler = ParentBased(TraceIdRatioBased(ratio))
        self.provider = TracerProvider(sampler, Resource.create(dict(resource)), shutdown_on_exit=False)
        self.provider.add_span_processor(Discreet(exporter))
        self._tracer = self.provider.get_tracer("app")

    def instrument(self, client: Any) -> None:  # noqa: ANN401 - the client of either HTTP library
        """Give each call of an HTTP client a span, and a `traceparent` header with the number of the span.

        Client by client: the instrumentor of all clients replaces methods of httpx's own transports, and finds no call
        that goes through a different transport.
        """
        of_httpx2 = type(client).__module__.startswith("httpx2")
        instrumentor = HTTPX2ClientInstrumentor if of_httpx2 else HTTPXClientInstrumentor
        instrumentor.instrument_client(client, tracer_provider=self.provider)

    def statement(self, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        """Add the span of a statement that has ended to the trace of the request, without values."""
        if not get_current_span().get_span_context().trace_flags.sampled:
            return  # the span of the request itself has ended when a background task sends a statement
        now = time_ns()
        attributes: dict[str, str | int] = {"db.system.name": "postgresql", "db.response.returned_rows": rows}
        name = sql.split(maxsplit=1)[0] if sql else "SQL"
        begin = now - int(seconds * 1e9)
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=begin)
        if (text := public_text(sql)) is not None:
            span.set_attribute("db.query.text", text)
        if error is not None:  # the class alone: PostgreSQL's message of a unique violation has the value
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(StatusCode.ERROR)
        span.end(now)

    async def close(self) -> None:
        """Send the last spans, within a bounded time: a collector that is away must not hold up the shutdown."""
        thread = Thread(target=self.provider.shutdown, daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, CLOSE_SECONDS)


class Discreet(BatchSpanProcessor):
    """Sends spans in batches, without the queries of URLs, and without an error where a client left a stream."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - of the base class
        """Remove the query from the attributes of a new span: queries have tokens and names of people."""
        attributes = span.attributes or {}
        for name in URLS:
            if "?" in (url := str(attributes.get(name, ""))):
                span.set_attribute(name, url.partition("?")[0])
        if "url.query" in attributes:
            span.set_attribute("url.query", "REDACTED")

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that has ended."""
        super().on_end(without_error(span) if is_closed_stream(span) else span)


def is_closed_stream(span: ReadableSpan) -> bool:
    """Tell whether a span is that of a good response whose client left, as each reader of an event stream does."""
    found = span.attributes or {}
    status = found.get("http.response.status_code")
    return found.get("error.type") == CLIENT_LEFT and isinstance(status, int) and status < FAILED


def without_error(span: ReadableSpan) -> ReadableSpan:
    """Return a copy of a span without the error."""
    same: dict[str, Any] = {name: getattr(span, name) for name in COPIED}
    attributes = {name: value for name, value in (span.attributes or {}).items() if name != "error.type"}
    return ReadableSpan(**same, attributes=attributes, status=Status(StatusCode.UNSET))

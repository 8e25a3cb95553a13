"""OpenTelemetry's tracer provider of this process: sends spans to a collector by OTLP, and never delays the shutdown.

FastAPI's automatic set-up waits for the collector at the shutdown: 25 s and more for an unreachable collector, 45 s for
a collector that hangs. By then the orchestrator has killed the process. This module closes the provider in a thread,
and the shutdown waits for that thread for at most `CLOSE_SECONDS`.

The exporter passes every span through `discreet` before it sends the span, so that no value of a client leaves in a
span, whichever library has recorded the span.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from time import time_ns
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span, use_span

from app.request.trace import of_span, trace

EXPORT_SECONDS = 2
"""The timeout of one request to the OpenTelemetry collector, in seconds."""

CLOSE_SECONDS = 0.8
"""How long, in seconds, the shutdown waits for the last spans to be sent. The time is below CLOSING_SECONDS, the 1 s
that `settings/service.py` keeps for closing everything."""

URLS = frozenset({"url.full", "http.url", "http.target"})
QUERY = "url.query"
EXCEPTION_TYPE = "exception.type"

CLIENT_LEFT = frozenset({"ConnectionError", "starlette.websockets.WebSocketDisconnect"})
"""The values of `error.type` that FastAPI records for a stream or a WebSocket whose client has disconnected."""

FAILED = 400
"""The lowest HTTP status of an error response."""

COPIED = ("name", "kind", "context", "parent", "links", "start_time", "end_time", "resource", "instrumentation_scope")


class Traces:
    """The traces of this process: spans of requests, statements, calls and jobs, sent in an `async with` block."""

    def __init__(self, collector: str, ratio: float, resource: Mapping[str, str]) -> None:
        """Build the tracer provider; the `async with` block then sends spans.

        Args:
            collector: the base URL of the OpenTelemetry collector, without `/v1/traces`.
            ratio: the part of the requests without a caller's trace that is recorded, from 0 to 1.
            resource: OpenTelemetry's resource attributes, which name the service in each trace.
        """
        sampler = ParentBased(TraceIdRatioBased(ratio))
        self.provider = TracerProvider(sampler, Resource.create(dict(resource)), shutdown_on_exit=False)
        self._endpoint = f"{collector}/v1/traces"
        self._tracer = self.provider.get_tracer("app")

    async def __aenter__(self) -> None:
        """Start the thread that sends spans."""
        self.provider.add_span_processor(BatchSpanProcessor(Exporter(self._endpoint, timeout=EXPORT_SECONDS)))

    async def __aexit__(self, *_error: object) -> None:
        """Send the last spans for at most CLOSE_SECONDS, as an unreachable collector must not delay the shutdown."""
        thread = Thread(target=self.provider.shutdown, daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, CLOSE_SECONDS)

    def statement(self, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        """Record the span of an SQL statement that has ended; `sql` has placeholders instead of values."""
        if not get_current_span().get_span_context().trace_flags.sampled:
            return
        end = time_ns()
        name, begin = sql.split(maxsplit=1)[0] if sql else "SQL", end - int(seconds * 1e9)
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, start_time=begin)
        span.set_attributes({"db.system.name": "postgresql", "db.query.text": sql, "db.response.returned_rows": rows})
        if error is not None:  # do not record the error's message, in which PostgreSQL quotes values
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(StatusCode.ERROR)
        span.end(end)

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """Record the span of one attempt of a job, in the trace of the request that enqueued the job."""
        stored = trace.get()
        carrier = {"traceparent": stored.parent, "tracestate": stored.state} if stored else {}
        attributes = {"messaging.system": "pgqueuer", "messaging.destination.name": name}
        span = self._tracer.start_span(f"process {name}", extract(carrier), SpanKind.CONSUMER, attributes)
        trace.set(of_span(span.get_span_context()))
        with use_span(span, end_on_exit=True, record_exception=False):
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(StatusCode.ERROR)
                raise


class Exporter(OTLPSpanExporter):
    """An OTLP exporter of spans that removes the values of clients before sending."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch of spans to the OpenTelemetry collector, without the values of clients."""
        return super().export([discreet(span) for span in spans])


def discreet(span: ReadableSpan) -> ReadableSpan:
    """Return a copy of a span without queries of URLs, without messages of exceptions, and without a false error.

    Event streams and WebSockets usually end because the client disconnects, which FastAPI records as an error.
    """
    attributes: dict[str, Any] = {name: _without_query(name, value) for name, value in (span.attributes or {}).items()}
    status = Status(span.status.status_code)
    good = "http.request.method" not in attributes or attributes.get("http.response.status_code", FAILED) < FAILED
    if span.kind is SpanKind.SERVER and attributes.get("error.type") in CLIENT_LEFT and good:
        del attributes["error.type"]
        status = Status(StatusCode.UNSET)
    same: dict[str, Any] = {name: getattr(span, name) for name in COPIED}
    events = [Event(event.name, _exception_type(event), event.timestamp) for event in span.events]
    return ReadableSpan(**same, attributes=attributes, events=events, status=status)


def _without_query(name: str, value: Any) -> Any:  # noqa: ANN401 - attributes of spans have many types
    if name == QUERY:
        return "REDACTED"
    return value.partition("?")[0] if name in URLS else value


def _exception_type(event: Event) -> dict[str, Any]:
    return {name: value for name, value in (event.attributes or {}).items() if name == EXCEPTION_TYPE}

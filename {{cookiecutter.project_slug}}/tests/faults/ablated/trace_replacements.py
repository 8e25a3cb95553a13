"""Replacements that switch off a defence of trace spans: a fault test must fail without the defence."""

import asyncio

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from app.observability.otlp import Traces


class AutomaticTraces(Traces):
    """Traces as in FastAPI's usual set-up: the exporter's default timeouts, and a shutdown that waits for a flush."""

    async def __aenter__(self) -> None:
        """Start the thread that sends spans to the collector."""
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=self._endpoint)))

    async def __aexit__(self, *_error: object) -> None:
        """Flush the spans, waiting for the collector."""
        await asyncio.to_thread(self.provider.force_flush)
        await asyncio.to_thread(self.provider.shutdown)


def automatic_traces() -> object:
    return AutomaticTraces


def global_instrumentor() -> object:
    return lambda _client, provider: HTTPXClientInstrumentor().instrument(tracer_provider=provider)

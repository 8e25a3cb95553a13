#!/usr/bin/env bash
# Versions: opentelemetry-instrumentation-httpx 0.66b1, opentelemetry-sdk 1.45.1, httpx 0.28.1. Python 3.11.
#
# Belief: `HTTPXClientInstrumentor().instrument()` instruments httpx, so each call of each client gets a span, and the
# server the header `traceparent`.
#
# Observed: it replaces methods of httpx's own transports. A client with a transport of a different class, such as one on
# aiohttp, or the MockTransport of a test, sends its calls without a span and without `traceparent`; there is no warning.
# `HTTPXClientInstrumentor.instrument_client(client)` works for each transport.
#
# Output:
#   instrument(): spans 0, traceparent False
#   instrument_client(): spans 1, traceparent True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/calls.py" <<'PROGRAM'
import httpx
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class OwnTransport(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json="traceparent" in request.headers)


def call(way: str) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    if way == "instrument()":
        HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    client = httpx.Client(transport=OwnTransport())
    if way == "instrument_client()":
        HTTPXClientInstrumentor.instrument_client(client, tracer_provider=provider)
    received = client.get("http://server.invalid/").json()
    print(f"{way}: spans {len(spans.get_finished_spans())}, traceparent {received}")
    if way == "instrument()":
        HTTPXClientInstrumentor().uninstrument()


call("instrument()")
call("instrument_client()")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    httpx==0.28.1 opentelemetry-sdk==1.45.1 opentelemetry-instrumentation-httpx==0.66b1
found=$("$folder/venv/bin/python" "$folder/calls.py")
echo "$found"
[[ $found == $'instrument(): spans 0, traceparent False\ninstrument_client(): spans 1, traceparent True' ]]

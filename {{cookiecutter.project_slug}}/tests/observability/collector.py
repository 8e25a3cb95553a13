"""A fake OpenTelemetry collector: receives spans by OTLP over HTTP, refuses them, or never answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Literal

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

State = Literal["healthy", "unavailable", "hanging"]
ERROR, CLIENT = 2, 3
"""OTLP's numbers for the status of a failed span, and for the kind of a client span."""


@dataclass
class Collector:
    """The address of the fake collector, and the spans that it has received."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    resources: dict[str, str] = field(default_factory=dict)

    def named(self, name: str) -> Span:
        """Return the only span with this name.

        Raises:
            AssertionError: no span or several spans have this name.
        """
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, f"{len(found)} spans {name!r} among {[span.name for span in self.spans]}"
        return found[0]

    def take(self, body: bytes) -> None:
        """Store the spans of an export request."""
        self.raw.append(body)
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.update({pair.key: pair.value.string_value for pair in of_resource.resource.attributes})
            for of_scope in of_resource.scope_spans:
                self.spans.extend(of_scope.spans)


def attributes_of(span: Span) -> dict[str, str | int]:
    """Return a span's attributes that are texts or integers."""
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


@contextmanager
def collecting(state: State = "healthy") -> Iterator[Collector]:
    """Run the fake collector on a free port of this machine."""
    collector, end = Collector(), Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if state == "hanging":
                end.wait()
                return
            if state == "healthy":
                collector.take(decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200 if state == "healthy" else 503)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing: the HTTP server would otherwise write each request to standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            end.set()
            server.shutdown()

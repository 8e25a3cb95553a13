"""Each downstream call of a worker under gunicorn has one client span, whose id the downstream receives."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.http_client import httpx
from tests.observability.collector import CLIENT, collecting
from tests.server.processes import serving

pytestmark = pytest.mark.fault

BODY = b'{"rate": "0.9"}'


@contextmanager
def rates() -> Iterator[tuple[str, list[str]]]:
    """Run a stub of exchange rates as the downstream; yield its address and the received `traceparent`s."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.extend(self.headers.get_all("traceparent", []))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, *_: object) -> None:
            """Log nothing: the HTTP server would otherwise write each request to standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", received
        finally:
            server.shutdown()


def test_a_call_has_one_span_and_its_number_reaches_the_downstream(server_url: str, template: str) -> None:
    with collecting() as collector, rates() as (url, received):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "DOWNSTREAMS__RATES__BASE_URL": url}
        with serving(server_url, template, WEB_CONCURRENCY="1", DRAIN_SECONDS="0", **settings) as service:
            assert httpx.get(f"{service.url}/api/v1/dashboard").json()["usd_to_eur"] == "0.9"
            service.stop()

    request = collector.named("GET /api/v1/dashboard")
    calls = [span for span in collector.spans if span.kind == CLIENT and span.name == "GET"]
    assert [header[:53] for header in received] == [
        f"00-{request.trace_id.hex()}-{call.span_id.hex()}-" for call in calls
    ]
    assert [call.parent_span_id for call in calls] == [request.span_id]

"""A collector of traces that is away, fails or hangs: the service answers, and its shutdown does not wait for it."""

from time import perf_counter

import pytest

from tests.http_client import httpx
from tests.observability.collector import State, collecting
from tests.server.processes import serving

pytestmark = pytest.mark.fault

MOST_SECONDS = 12
"""The longest stop. It takes 2 s with traces in each state of the collector, and 25 to 45 s without the bound."""

REQUESTS = 40


@pytest.mark.parametrize("state", ["healthy", "refused", "unavailable", "hanging"])
def test_the_shutdown_does_not_wait_for_the_collector(server_url: str, template: str, state: str) -> None:
    running: State = "healthy" if state == "refused" else state  # type: ignore[assignment] # a parameter is any text
    with collecting(running) as collector:
        address = "http://127.0.0.1:1" if state == "refused" else collector.url
        with serving(
            server_url, template, WEB_CONCURRENCY="1", OTEL_EXPORTER_OTLP_ENDPOINT=address, LOG_LEVEL="warning"
        ) as service:
            statuses = {httpx.get(f"{service.url}/nowhere").status_code for _ in range(REQUESTS)}
            began = perf_counter()
            code = service.stop()
            seconds = perf_counter() - began

    assert (statuses, code) == ({404}, 0)
    assert seconds < MOST_SECONDS
    assert len(collector.spans) == (REQUESTS if state == "healthy" else 0)

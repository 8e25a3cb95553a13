"""The circuit breaker alert fires while a downstream is down, and Prometheus has scraped each downstream metric."""

import sys
from pathlib import Path

import pytest

from tests.faults.clients import Client, for_a_while
from tests.faults.prometheus import OF_DOWNSTREAMS, RULES, needs_prometheus, prometheus, queries_of, quick
from tests.faults.signed_in import SIGNED_IN
from tests.server.processes import gunicorn

pytestmark = [needs_prometheus, pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")]


async def ask(client: Client) -> None:
    await client.ask("/api/v1/dashboard")


async def test_an_open_breaker_is_an_alert(committed_url: str, tmp_path: Path) -> None:
    away = {"WEB_CONCURRENCY": "1", "DOWNSTREAMS__RATES__BASE_URL": "http://127.0.0.1:1"}
    with gunicorn(committed_url, *SIGNED_IN, **away) as service:
        service.wait_until_started(workers=1)
        async with prometheus(tmp_path, quick(RULES), service.management) as found:
            await found.until("up")
            before = await found.pending()
            await for_a_while(service.url, 2, 5, ask)
            await found.fired("BreakerOpen")
            missing = OF_DOWNSTREAMS - await found.names()
            shown = await found.with_samples(queries_of(OF_DOWNSTREAMS))

    assert before == -1
    assert not missing
    assert queries_of(OF_DOWNSTREAMS) - shown == set()

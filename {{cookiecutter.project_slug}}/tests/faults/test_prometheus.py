"""A real Prometheus scrapes a real gunicorn; the rules of ops/ name metrics that exist, and fire by their failures."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devtools.ports import free_port
from tests.databases import ROOT
from tests.faults.clients import Client, for_a_while
from tests.http_client import httpx
from tests.programs import find
from tests.server.processes import gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

needs_prometheus = pytest.mark.needs_program("prometheus", "apt-get install prometheus")

RULES = (ROOT / "ops" / "alerts.yml").read_text("utf-8")
ALERTS = set(re.findall(r"alert: (\w+)", RULES))

NAMES = set(re.findall(r"\b(?:app|http|db)_[a-z_]+\b(?=[{)\[ ]|$)", RULES, re.MULTILINE)) - {
    "app_job_oldest_age_seconds"
}
"""The metrics of the rules, but for that of a worker of jobs, whose test looks for its metrics."""

PATIENCE_SECONDS = 60
"""The timeout of waiting for Prometheus, in seconds; the first scrape comes some five seconds after its start."""


class Prometheus:
    """A running Prometheus that answers queries."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def value(self, query: str) -> float:
        """Return the value of a query, -1 for no sample."""
        answer = (await self._client.get("/api/v1/query", params={"query": query})).json()
        return float(answer["data"]["result"][0]["value"][1]) if answer["data"]["result"] else -1

    async def until(self, query: str) -> None:
        """Wait until a query has a value above 0."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.is_above_0(query):  # noqa: ASYNC110 - no asyncio.Event from another process
                await asyncio.sleep(0.2)

    async def is_above_0(self, query: str) -> bool:
        """Tell whether the value of a query is above 0; False while Prometheus starts."""
        try:
            return await self.value(query) > 0
        except httpx.TransportError:
            return False

    async def names(self) -> set[str]:
        """Return the names of all scraped metrics."""
        return set((await self._client.get("/api/v1/label/__name__/values")).json()["data"])


@asynccontextmanager
async def prometheus(target: str, folder: Path) -> AsyncGenerator[Prometheus]:
    """Run a Prometheus with the rules of the service, which scrapes a target every second."""
    port, config = free_port(), folder / "prometheus.yml"
    each_second = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    scrapes = [{"job_name": "service", "static_configs": [{"targets": [target]}]}]
    rules = [str(ROOT / "ops" / "alerts.yml")]
    config.write_text(json.dumps({"global": each_second, "rule_files": rules, "scrape_configs": scrapes}), "utf-8")
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder}", f"--web.listen-address=127.0.0.1:{port}"]
    process = await asyncio.create_subprocess_exec(
        find("prometheus") or "", *options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield Prometheus(client)
    finally:
        process.kill()
        await process.wait()


async def ask_live(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.05)


@needs_prometheus
async def test_prometheus_sees_a_rate_and_no_reset_through_a_killed_worker(committed_url: str, tmp_path: Path) -> None:
    with gunicorn(committed_url) as service:
        service.wait_until_started()
        async with prometheus(service.management.removeprefix("http://"), tmp_path) as found:
            await found.until("up")
            victim = min(service.workers())

            async def kill() -> None:
                await asyncio.sleep(3)
                os.kill(victim, signal.SIGKILL)

            await asyncio.gather(for_a_while(service.url, 4, 8, ask_live), kill())
            await found.until("sum(rate(http_server_request_duration_seconds_count[10s]))")
            service.wait_for("Application startup complete.", 3)
            resets = await found.value("sum(resets(http_server_request_duration_seconds_count[1m]))")
            missing = NAMES - await found.names()

    assert resets == 0
    assert not missing


@needs_prometheus
@pytest.mark.parametrize("arguments", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]])
def test_each_rule_holds_both_ways(arguments: list[str]) -> None:
    done = subprocess.run(
        [find("promtool") or "", *arguments], cwd=ROOT / "ops", capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_runbook_and_two_tests() -> None:
    tests = (ROOT / "ops" / "alerts_test.yml").read_text("utf-8")

    assert {page.stem for page in (ROOT / "ops" / "runbooks").glob("*.md")} == ALERTS
    assert set(re.findall(r"runbook: ops/runbooks/(\w+)\.md", RULES)) == ALERTS
    assert {name: len(re.findall(rf"alertname: {name}\b", tests)) for name in ALERTS} == dict.fromkeys(ALERTS, 2)

"""Runs a real Prometheus, from Debian's package, with the alert rules of ops/, and queries it."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devtools.ports import free_port
from tests.databases import ROOT
from tests.http_client import httpx
from tests.programs import find

needs_prometheus = pytest.mark.needs_program("prometheus", "apt-get install prometheus")

RULES = (ROOT / "ops" / "alerts.yml").read_text("utf-8")
"""The alert rules of the service, as text."""

QUERIES: list[str] = [
    target["expr"].replace("$job", "service").replace("$__rate_interval", "1m")
    for panel in json.loads((ROOT / "ops" / "dashboard.json").read_text("utf-8"))["panels"]
    for target in panel.get("targets", ())
]
"""The Prometheus queries of the dashboard in ops/, with `service` as the name of the scrape job, as in the tests."""

METRICS = set(re.findall(r"\b(?:app|http|db)_[a-z0-9_]+(?=[{)\[ ]|$)", "\n".join([RULES, *QUERIES]), re.MULTILINE)) - {
    *("http_route", "http_response_status_code", "db_client_connection_state")
}
"""The names of the metrics in the alert rules and in the dashboard."""

OF_JOBS = {name for name in METRICS if name.startswith("app_job_")}
OF_DOWNSTREAMS = {name for name in METRICS if name.startswith(("http_client_", "app_breaker_", "app_retries_"))}
OF_EACH_SERVICE = METRICS - OF_JOBS - OF_DOWNSTREAMS


def queries_of(names: set[str]) -> set[str]:
    """Return the dashboard's Prometheus queries that contain one of these metric names."""
    return {query for query in QUERIES if any(name in query for name in names)}


def quick(rules: str) -> str:
    """Return alert rules with minutes shortened to seconds, and hours to minutes, so that alerts fire soon."""
    rules = re.sub(r"(?<=[\[ ])(\d+)s\b", lambda found: f"{int(found[1]) * 1000 // 60}ms", rules)
    rules = re.sub(r"(?<=[\[ ])(\d+)m\b", r"\1s", rules)
    return re.sub(r"(?<=[\[ ])(\d+)h\b", r"\1m", rules)


PATIENCE_SECONDS = 60
"""How long to wait for Prometheus, in seconds: its first scrape comes about five seconds after its start."""


class Prometheus:
    """A running Prometheus that answers queries."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def value(self, query: str) -> float:
        """Return the value of a Prometheus query, or -1 if the query has no sample."""
        answer = await self._client.get("/api/v1/query", params={"query": query})
        answer.raise_for_status()
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else -1

    async def until(self, query: str) -> None:
        """Wait until a Prometheus query has a value above 0."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.is_above_0(query):  # noqa: ASYNC110 - polls: another process sets no asyncio.Event
                await asyncio.sleep(0.2)

    async def is_above_0(self, query: str) -> bool:
        """Tell whether the value of a Prometheus query is above 0; False while Prometheus starts."""
        try:
            return await self.value(query) > 0
        except (httpx.TransportError, httpx.HTTPStatusError):
            return False

    async def fired(self, alert: str) -> None:
        """Wait until an alert fires."""
        await self.until('ALERTS{alertname="NAME",alertstate="firing"}'.replace("NAME", alert))

    async def pending(self) -> float:
        """Return the number of pending and firing alerts, or -1 without any."""
        return await self.value("count(ALERTS)")

    async def with_samples(self, queries: Iterable[str]) -> set[str]:
        """Return the Prometheus queries that have a sample; raise an error for an invalid query."""
        return {query for query in queries if await self.value(query) != -1}

    async def names(self) -> set[str]:
        """Return the names of all scraped metrics."""
        return set((await self._client.get("/api/v1/label/__name__/values")).json()["data"])


@asynccontextmanager
async def prometheus(folder: Path, rules: str, *management: str) -> AsyncGenerator[Prometheus]:
    """Run a Prometheus that scrapes every second.

    Args:
        folder: an empty folder, for the configuration and the samples.
        rules: the text of a file of alert rules.
        management: the URLs of the management ports to scrape.
    """
    port, config = free_port(), folder / "prometheus.yml"
    each_second = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    targets = [url.removeprefix("http://") for url in management]
    scrapes = [{"job_name": "service", "static_configs": [{"targets": targets}]}]
    (folder / "rules.yml").write_text(rules, "utf-8")
    named = {"rule_files": [str(folder / "rules.yml")], "scrape_configs": scrapes}
    config.write_text(json.dumps({"global": each_second} | named), "utf-8")
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

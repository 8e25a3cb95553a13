"""A real Prometheus scrapes a real gunicorn, and each alert rule of ops/ fires with its fault and not without."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import ROOT
from tests.faults.clients import Client, for_a_while
from tests.faults.prometheus import RULES, needs_prometheus, prometheus
from tests.programs import find
from tests.server.processes import gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

ALERTS = set(re.findall(r"alert: (\w+)", RULES))


async def ask_live(client: Client) -> None:
    await client.ask("/health/live")
    await asyncio.sleep(0.05)


@needs_prometheus
async def test_prometheus_sees_a_rate_and_no_reset_through_a_killed_worker(committed_url: str, tmp_path: Path) -> None:
    with gunicorn(committed_url) as service:
        service.wait_until_started()
        async with prometheus(tmp_path, RULES, service.management) as found:
            await found.until("up")
            victim = min(service.workers())

            async def kill() -> None:
                await asyncio.sleep(3)
                os.kill(victim, signal.SIGKILL)

            await asyncio.gather(for_a_while(service.url, 4, 8, ask_live), kill())
            await found.until("sum(rate(http_server_request_duration_seconds_count[10s]))")
            service.wait_for("Application startup complete.", 3)
            resets = await found.value("sum(resets(http_server_request_duration_seconds_count[1m]))")

    assert resets == 0


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

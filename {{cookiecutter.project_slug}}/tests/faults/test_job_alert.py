"""The alert for late jobs fires when jobs wait for a worker, and Prometheus has scraped each job metric."""

import sys
from pathlib import Path

import pytest

from devtools.ports import free_port
from tests.faults.job_kinds import effect, holds
from tests.faults.job_workers import prepare, put, run, until, workers_on
from tests.faults.prometheus import OF_JOBS, RULES, needs_prometheus, prometheus, queries_of, quick

pytestmark = [needs_prometheus, pytest.mark.skipif(sys.platform == "win32", reason="sends signals of Unix")]

AGE = "UPDATE jobs SET run_at = now() - interval '301 seconds' WHERE state = 'queued'"
"""SQL that makes the jobs look as if they had waited for five minutes."""


async def test_a_job_that_no_worker_has_time_for_is_an_alert(committed_url: str, tmp_path: Path) -> None:
    port = free_port()
    await prepare(committed_url, effect, 1)
    with workers_on(committed_url, tmp_path, MANAGEMENT_PORT=str(port), JOBS__MAX_CONCURRENT="2") as workers:
        workers.start()
        await until(committed_url, "SELECT count(*) FROM effects", [1])
        async with prometheus(tmp_path, quick(RULES), f"http://127.0.0.1:{port}") as found:
            await found.until("up")
            before = await found.pending()
            await put(committed_url, holds, 4, seconds=60)
            await until(committed_url, "SELECT count(*) FROM jobs WHERE state = 'running'", [2])
            await run(committed_url, AGE)
            await found.fired("JobsLate")
            missing = OF_JOBS - await found.names()
            shown = await found.with_samples(queries_of(OF_JOBS))

    assert before == -1
    assert not missing
    assert queries_of(OF_JOBS) - shown == set()

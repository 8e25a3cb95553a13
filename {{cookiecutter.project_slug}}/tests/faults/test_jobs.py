"""Jobs survive killed and frozen workers and a restarted database: each effect happens once, and no job is lost."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

import pytest

from devtools.binaries import settle
from devtools.cluster import Cluster
from devtools.ports import free_port
from tests.databases import cloned, ensure_template
from tests.faults.bulkheads import sampled
from tests.faults.job_kinds import effect, holds, poison, stubborn
from tests.faults.job_workers import HEARTBEAT_SECONDS, PATIENCE_SECONDS, numbers, prepare, until, workers_on
from tests.scrape import total

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals of Unix")

JOBS = 200

OUTCOME = """
SELECT (SELECT count(*) FROM jobs WHERE state = 'succeeded' AND kind LIKE 'fault.%'),
    (SELECT count(*) FROM effects), (SELECT count(DISTINCT job) FROM effects)
"""
ALL = [JOBS, JOBS, JOBS]
RUNNING = "SELECT count(*) FROM jobs WHERE state = 'running'"
SOME = "SELECT (count(*) > 40)::int FROM effects"


@pytest.fixture
def restarted() -> Iterator[tuple[Cluster, str]]:
    """A PostgreSQL server that the test may stop, and the URL of a migrated database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "postgres"
        cluster = Cluster(*settle(folder), durable=True)  # a throwaway server would delete its data at the stop
        cluster.start()
        stack.callback(cluster.stop)
        yield cluster, stack.enter_context(cloned(cluster.url(), ensure_template(cluster.url())))


async def freeze_while_jobs_run(worker: Popen[bytes], url: str) -> None:
    """Freeze a worker at a moment at which jobs run: between two batches of the worker, no job runs."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            worker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.1)  # statements that the worker sent before the freeze end meanwhile
            if (await numbers(url, RUNNING))[0]:
                return
            worker.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.01)


async def test_a_killed_worker_loses_no_job_and_repeats_no_effect(committed_url: str, tmp_path: Path) -> None:
    await prepare(committed_url, effect, JOBS, seconds=0.1)
    with workers_on(committed_url, tmp_path) as workers:
        first = workers.start()
        await until(committed_url, SOME, [1])
        await freeze_while_jobs_run(first, committed_url)
        first.kill()
        first.wait()
        workers.start()
        outcome = await until(committed_url, OUTCOME, ALL)
        repeated = await numbers(committed_url, "SELECT count(*) FROM jobs WHERE attempts > 1")

    assert outcome == ALL
    assert repeated[0] > 0


async def test_a_database_that_restarts_under_load_loses_no_job_and_repeats_no_effect(
    restarted: tuple[Cluster, str], tmp_path: Path
) -> None:
    cluster, url = restarted
    await prepare(url, effect, JOBS)
    with workers_on(url, tmp_path) as workers:
        workers.start()
        await until(url, SOME, [1])
        await asyncio.to_thread(cluster.stop)
        await asyncio.to_thread(cluster.start)
        outcome = await until(url, OUTCOME, ALL)

    assert outcome == ALL, workers.log()[-3000:]


async def test_a_worker_serves_its_metrics_itself(committed_url: str, tmp_path: Path) -> None:
    port = free_port()
    await prepare(committed_url, effect, 5)
    with workers_on(committed_url, tmp_path, MANAGEMENT_PORT=str(port)) as workers:
        workers.start()
        await until(committed_url, "SELECT count(*) FROM effects", [5])
        found = await sampled(f"http://127.0.0.1:{port}")

    assert total(found, "app_job_duration_seconds_count", kind=effect.name, state="succeeded") == 5
    assert [one for one in found if one.name == "app_job_queue_depth" and one.labels["kind"] == effect.name]


async def test_two_workers_with_full_pools_run_no_job_twice(committed_url: str, tmp_path: Path) -> None:
    """Heartbeats of jobs have separate connections: in the full pool of the job functions, heartbeats would be late.

    After a late heartbeat, a different worker would take over a job that still runs.
    """
    await prepare(committed_url, holds, 12, seconds=2.5 * HEARTBEAT_SECONDS)
    pools = {"JOBS__POOL_LIMIT": "3", "JOBS__MAX_CONCURRENT": "4", "DATABASE_QUEUE_TIMEOUT_SECONDS": "60"}
    with workers_on(committed_url, tmp_path, **pools) as workers:
        workers.start()
        workers.start()
        outcome = await until(committed_url, OUTCOME, [12, 12, 12])
        claims = await numbers(committed_url, "SELECT max(claim), max(attempts) FROM jobs WHERE kind = 'fault.holds'")

    assert (outcome, claims) == ([12, 12, 12], [1, 1]), workers.log()[-3000:]


async def test_a_job_that_kills_its_worker_is_dead_after_its_last_attempt(committed_url: str, tmp_path: Path) -> None:
    await prepare(committed_url, poison, 1)
    with workers_on(committed_url, tmp_path) as workers:
        for _ in range(3):
            assert (await asyncio.to_thread(workers.start().wait, 60)) == -signal.SIGKILL
        workers.start()
        state = "SELECT (state = 'dead' AND error_code = 'worker_died')::int, attempts FROM jobs"
        outcome = await until(committed_url, f"{state} WHERE kind = 'fault.poison'", [1, 3])
        alive = workers.processes[-1].poll()

    assert (outcome, alive) == ([1, 3], None)


async def test_a_frozen_worker_that_wakes_up_after_the_takeover_stores_nothing(
    committed_url: str, tmp_path: Path
) -> None:
    await prepare(committed_url, stubborn, 4, seconds=3 * HEARTBEAT_SECONDS)
    with workers_on(committed_url, tmp_path) as workers:
        frozen = workers.start()
        await until(committed_url, "SELECT count(*) FROM jobs WHERE state = 'running'", [4])
        frozen.send_signal(signal.SIGSTOP)
        workers.start()
        await until(committed_url, "SELECT count(*) FROM jobs WHERE claim = 2", [4])
        frozen.send_signal(signal.SIGCONT)
        outcome = await until(committed_url, OUTCOME, [4, 4, 4])
        # Meanwhile the job functions of the worker that was frozen, which ignore the stop, end.
        await asyncio.sleep(3 * HEARTBEAT_SECONDS)
        later = await numbers(committed_url, OUTCOME)

    assert (outcome, later) == ([4, 4, 4], [4, 4, 4]), workers.log()[-3000:]

"""Job workers at a stop, after a lost connection and in a rolling update: no job is lost, or run by too old code."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.databases import make_settings
from tests.faults.job_kinds import changed, effect, single
from tests.faults.job_workers import numbers, prepare, put, run, until, workers_on

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals of Unix")

ENDS = """
SELECT count(*) FILTER (WHERE state = 'succeeded' AND attempts = 1),
    count(*) FILTER (WHERE state = 'queued' AND attempts = 0 AND claim = 1),
    (SELECT count(*) FROM effects), (SELECT count(*) FROM pgqueuer.pgqueuer WHERE status = 'queued')
FROM jobs WHERE kind = 'fault.effect'
"""


async def test_sigterm_ends_what_ends_within_the_grace_and_puts_the_rest_back(
    committed_url: str, tmp_path: Path
) -> None:
    await prepare(committed_url, effect, 2, seconds=2)
    await put(committed_url, effect, 3, seconds=3600)
    with workers_on(committed_url, tmp_path, JOBS__STOP_SECONDS="6") as workers:
        worker = workers.start()
        await until(committed_url, "SELECT count(*) FROM jobs WHERE state = 'running'", [5])
        worker.terminate()
        code = await asyncio.to_thread(worker.wait, 60)

    assert code == 0, workers.log()[-3000:]
    assert await numbers(committed_url, ENDS) == [2, 3, 2, 3], workers.log()[-3000:]
    assert '"level":"error"' not in workers.log()


LISTENERS = "FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%ch_pgqueuer%'"


async def test_a_worker_that_lost_the_connection_of_its_listener_listens_again(
    committed_url: str, tmp_path: Path
) -> None:
    """A worker that lost the connection on which PostgreSQL announces jobs (LISTEN) must listen again.

    The queue library does not listen again: each later job would wait for the next poll.
    """
    await prepare(committed_url, effect, 0)
    with workers_on(committed_url, tmp_path) as workers:
        workers.start()
        assert await until(committed_url, f"SELECT count(*) {LISTENERS}", [1]) == [1]
        await run(committed_url, f"SELECT pg_terminate_backend(pid) {LISTENERS}")
        assert await until(committed_url, f"SELECT count(*) {LISTENERS}", [0]) == [0]
        again = await until(committed_url, f"SELECT count(*) {LISTENERS}", [1])

    assert again == [1], workers.log()[-3000:]


SINGLE = "SELECT count(*), max(progress) FROM jobs WHERE kind = 'fault.single' AND state = 'succeeded'"


async def test_two_workers_run_one_job_at_a_time_of_a_bounded_kind(committed_url: str, tmp_path: Path) -> None:
    await prepare(committed_url, single, 20, seconds=0.1)
    with workers_on(committed_url, tmp_path) as workers:
        workers.start()
        workers.start()
        done = await until(committed_url, SINGLE, [20, 1])

    assert done == [20, 1], workers.log()[-3000:]


SEEN = "SELECT count(*) FILTER (WHERE claim > 0 AND attempts = 0 AND state = 'queued') FROM jobs WHERE version = 2"
RAN = """
SELECT count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE (result ->> 'code')::int >= version),
    max(attempts) FROM jobs WHERE kind = 'fault.changed'
"""


async def test_old_and_new_workers_side_by_side_run_what_each_of_them_knows(committed_url: str, tmp_path: Path) -> None:
    await prepare(committed_url, changed, 4)
    await run(committed_url, "UPDATE jobs SET version = 2")
    await put(committed_url, changed, 4)
    with workers_on(committed_url, tmp_path) as workers:
        workers.start()
        seen = await until(committed_url, SEEN, [4])  # the old worker has put the new jobs back into the queue
        workers.start(CODE_VERSION="2")
        ran = await until(committed_url, RAN, [8, 8, 1])

    assert (seen, ran) == ([4], [8, 8, 1]), workers.log()[-3000:]


DONE = "SELECT count(*) FROM jobs WHERE kind = 'fault.effect' AND state = 'succeeded'"


async def test_a_worker_needs_no_setting_in_production_and_is_refused_without_a_plan(
    committed_url: str, tmp_path: Path
) -> None:
    await prepare(committed_url, effect, 1)
    downstreams = [name for name, _ in getattr(make_settings(committed_url), "downstreams", ())]
    addresses = {f"DOWNSTREAMS__{name.upper()}__BASE_URL": "https://127.0.0.1:9/" for name in downstreams}
    with workers_on(committed_url, tmp_path, ENVIRONMENT="production", **addresses) as workers:
        refused = await asyncio.to_thread(workers.start(JOBS__WORKERS="0").wait, 60)
        workers.start()
        done = await until(committed_url, DONE, [1])

    assert (refused, done) == (1, [1]), workers.log()[-3000:]
    assert "The worker cannot start: the capacity plan keeps no database connections" in workers.log()

"""A process that is killed just before or after it commits a row and its job: both are stored, or neither is."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import ROOT
from tests.faults.job_workers import create_effects, until, workers_on

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills a process as on Unix")

LEFT = """
SELECT (SELECT count(*) FROM jobs WHERE kind LIKE 'fault.%'), (SELECT count(*) FROM pgqueuer.pgqueuer),
    (SELECT count(*) FROM effects)
"""
"""SQL that counts the jobs, the messages of the queue, and the written rows."""

OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

DONE = "SELECT count(*) FROM effects, jobs WHERE state = 'succeeded' AND kind = 'fault.effect'"


async def kill_at(moment: str, url: str, first: str) -> None:
    """Kill a process of `job_writer.py` `before` or `after` the commit, and wait until PostgreSQL has noticed."""
    command = [sys.executable, "-m", "tests.faults.job_writer", url, first, moment]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    while (line := await process.stdout.readline()).strip() != moment.encode():
        assert line, "the process has ended early"  # log lines of a busy machine may come before the moment
    process.kill()
    await process.wait()
    assert await until(url, OTHERS, [0]) == [0]


@pytest.mark.parametrize("first", ["enqueue", "write"])
async def test_a_process_that_is_killed_before_the_commit_leaves_nothing(committed_url: str, first: str) -> None:
    await create_effects(committed_url)
    await kill_at("before", committed_url, first)

    assert await until(committed_url, LEFT, [0, 0, 0]) == [0, 0, 0]


@pytest.mark.parametrize("first", ["enqueue", "write"])
async def test_a_process_that_is_killed_after_the_commit_loses_no_job(
    committed_url: str, tmp_path: Path, first: str
) -> None:
    await create_effects(committed_url)
    await kill_at("after", committed_url, first)

    assert await until(committed_url, LEFT, [1, 1, 1]) == [1, 1, 1]
    with workers_on(committed_url, tmp_path) as workers:
        workers.start()
        assert await until(committed_url, DONE, [2]) == [2]  # a row from the transaction, and a row from its job


async def test_fifty_enqueues_of_a_process_with_one_key_are_one_job(committed_url: str) -> None:
    await create_effects(committed_url)
    await kill_at("after", committed_url, "key")

    assert await until(committed_url, LEFT, [1, 1, 0]) == [1, 1, 0]

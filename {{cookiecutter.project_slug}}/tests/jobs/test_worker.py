"""A worker runs each job to its end: success, the last failed attempt or a cancel; a stop puts unfinished jobs back."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from anyio import to_thread
from fastapi import FastAPI
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.database.transaction import transaction
from app.jobs import store
from app.jobs.enqueue import enqueue
from app.jobs.jobs import Prune, prune
from app.settings.jobs import JobsSettings
from tests.jobs.conftest import QUICK, count, put, resources_of, row_of, saw, until, waits, working
from tests.jobs.kinds import echo, fails, gives_up, newest, one_at_a_time, sleeps, slow

pytestmark = pytest.mark.usefixtures("seen")


async def write(app: FastAPI, sql: str) -> None:
    async with transaction(resources_of(app).write_sessions) as session:
        await session.execute(text(sql))


@pytest.mark.usefixtures("worker")
async def test_a_job_runs_and_its_row_tells_the_result(committed_app: FastAPI) -> None:
    attempts = "app_job_duration_seconds_count", {"kind": echo.name, "state": "succeeded"}
    before = REGISTRY.get_sample_value(*attempts) or 0
    job, _ = await put(committed_app, echo, "tea")
    row = await until(committed_app, job.id, "succeeded")

    assert REGISTRY.get_sample_value(*attempts) == before + 1
    assert (row["result"], row["attempts"], row["error_code"]) == ({"text": "tea 1"}, 1, None)
    assert row["created_at"] <= row["started_at"] <= row["finished_at"]


@pytest.mark.usefixtures("worker")
async def test_a_job_that_fails_is_dead_after_its_last_attempt(committed_app: FastAPI, seen: list[str]) -> None:
    job, _ = await put(committed_app, fails, "tea")
    row = await until(committed_app, job.id, "dead")

    assert seen == ["tea 1", "tea 2", "tea 3"]
    assert (row["attempts"], row["error_code"], row["error_detail"]) == (3, "no_luck", "It failed.")


@pytest.mark.usefixtures("worker")
async def test_a_job_that_no_retry_would_help_is_dead_at_once(committed_app: FastAPI) -> None:
    job, _ = await put(committed_app, gives_up, "tea")
    row = await until(committed_app, job.id, "dead")

    assert (row["attempts"], row["error_code"], row["error_detail"]) == (1, "wrong_input", "No tea in attempt 1.")


@pytest.mark.usefixtures("worker")
async def test_an_attempt_ends_at_its_time_limit(committed_app: FastAPI) -> None:
    job, _ = await put(committed_app, slow)

    assert (await until(committed_app, job.id, "dead"))["error_code"] == "timed_out"


@pytest.mark.usefixtures("worker")
async def test_a_running_job_is_cancelled(committed_app: FastAPI, seen: list[str]) -> None:
    job, _ = await put(committed_app, sleeps, "tea")
    await until(committed_app, job.id, "running")
    await saw("tea starts")
    async with transaction(resources_of(committed_app).write_sessions) as session:
        asked = await store.cancel(session, job.id, job.owner)

    assert (asked.state, asked.cancel_requested_at is not None) == ("running", True)
    assert (await until(committed_app, job.id, "cancelled"))["error_code"] is None
    assert seen == ["tea starts", "tea ends"]


async def test_a_waiting_job_is_cancelled_and_never_runs(
    committed_app: FastAPI, committed_url: str, seen: list[str]
) -> None:
    job, _ = await put(committed_app, echo, "tea")
    async with transaction(resources_of(committed_app).write_sessions) as session:
        assert (await store.cancel(session, job.id, job.owner)).state == "cancelled"
    async with working(committed_url):
        await until(committed_app, (await put(committed_app, echo, "cup"))[0].id, "succeeded")

    assert seen == ["cup"]


async def test_a_stop_puts_a_job_back_without_counting_the_attempt(committed_app: FastAPI, committed_url: str) -> None:
    job, _ = await put(committed_app, sleeps, "tea")
    async with working(committed_url):
        await saw("tea starts")

    row = await row_of(committed_app, job.id)
    assert (row["state"], row["attempts"], row["progress"]) == ("queued", 0, 1)
    assert await count(committed_app, "SELECT count(*) FROM pgqueuer.pgqueuer WHERE status = 'queued'") == 1
    async with working(committed_url):
        assert (await until(committed_app, job.id, "running"))["attempts"] == 1


async def test_a_stop_lets_a_job_end_within_the_grace(committed_app: FastAPI, committed_url: str) -> None:
    job, _ = await put(committed_app, one_at_a_time, "tea")
    async with working(committed_url, JobsSettings(stop_seconds=5)):
        await until(committed_app, job.id, "running", "succeeded")

    assert (await row_of(committed_app, job.id))["state"] == "succeeded"


@pytest.mark.usefixtures("worker")
async def test_jobs_of_a_bounded_kind_run_one_after_the_other(committed_app: FastAPI, seen: list[str]) -> None:
    jobs = [(await put(committed_app, one_at_a_time, name))[0] for name in ("a", "b", "c")]
    for job in jobs:
        await until(committed_app, job.id, "succeeded")

    assert [line.split()[1] for line in seen] == ["starts", "ends"] * 3


@pytest.mark.usefixtures("worker")
async def test_a_payload_of_newer_code_waits_for_a_worker_of_that_code(committed_app: FastAPI) -> None:
    job, _ = await put(committed_app, newest, "tea", delay=timedelta(seconds=3600))
    await write(committed_app, "UPDATE jobs SET version = 3")
    await write(committed_app, "UPDATE pgqueuer.pgqueuer SET execute_after = now()")

    async def put_back() -> bool:
        row = await row_of(committed_app, job.id)
        return bool(row["claim"] > 0 and row["state"] == "queued")

    await waits(put_back)
    assert (await row_of(committed_app, job.id))["attempts"] == 0


async def test_a_job_that_killed_its_workers_is_dead_after_its_last_attempt(
    committed_app: FastAPI, committed_url: str, seen: list[str]
) -> None:
    """A job that kills every worker becomes dead: attempts count at the start, as a killed worker counts nothing."""
    job, _ = await put(committed_app, echo, "tea")
    await write(committed_app, "UPDATE jobs SET state = 'running', attempts = max_attempts")
    async with working(committed_url):
        row = await until(committed_app, job.id, "dead")

    assert (row["error_code"], seen) == ("worker_died", [])


async def test_finished_jobs_are_pruned(committed_app: FastAPI, committed_url: str) -> None:
    for _ in range(2):
        await put(committed_app, echo)
    await write(committed_app, "UPDATE jobs SET state = 'succeeded', finished_at = now() - interval '8 days'")
    async with transaction(resources_of(committed_app).write_sessions) as session:
        job = (await enqueue(session, prune, Prune())).job
    async with working(committed_url):
        assert (await until(committed_app, job.id, "succeeded"))["result"] == {"jobs": 2}

    assert await count(committed_app, "SELECT count(*) FROM jobs") == 1


async def test_a_missed_schedule_runs_once(committed_app: FastAPI, committed_url: str) -> None:
    ran = "SELECT count(*) FROM jobs WHERE kind = 'jobs.prune'"

    async def is_scheduled() -> bool:
        return await count(committed_app, "SELECT count(*) FROM pgqueuer.pgqueuer_schedules") > 0

    async def has_run() -> bool:
        return await count(committed_app, ran) > 0

    async with working(committed_url):
        await waits(is_scheduled)
    await write(committed_app, "UPDATE pgqueuer.pgqueuer_schedules SET next_run = now() - interval '3 days'")
    async with working(committed_url), working(committed_url):
        await waits(has_run)
        await asyncio.sleep(1.2)  # time in which the schedulers of both workers check the schedule again

    assert await count(committed_app, ran) == 1


async def test_the_health_file_is_touched_and_a_late_kind_is_logged(
    committed_app: FastAPI, committed_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(committed_app, echo)
    await write(committed_app, "UPDATE jobs SET kind = 'test.gone', run_at = now() - interval '1 hour'")
    await write(committed_app, "UPDATE pgqueuer.pgqueuer SET entrypoint = 'test.gone'")
    alive = tmp_path / "alive"

    async def is_alive() -> bool:
        return await to_thread.run_sync(alive.exists)

    async with working(committed_url, QUICK.model_copy(update={"health_file": str(alive)})):
        await waits(is_alive)

    assert REGISTRY.get_sample_value("app_job_queue_depth", {"kind": "test.gone"}) == 1
    assert (REGISTRY.get_sample_value("app_job_oldest_age_seconds", {"kind": "test.gone"}) or 0) >= 3600
    assert '"known":false' in capfd.readouterr().out.replace('": ', '":')

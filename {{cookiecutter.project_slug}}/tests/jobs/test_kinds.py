"""A job kind's priority decides which jobs start first, and its backoff how long a failed job waits."""

from statistics import mean

import pytest
from fastapi import FastAPI

from app.jobs.registry import Kind
from tests.jobs.conftest import QUICK, count, put, until, waits, working
from tests.jobs.kinds import Note, echo, patient, urgent

pytestmark = pytest.mark.usefixtures("seen")


async def test_jobs_of_a_kind_with_a_higher_priority_start_first(
    committed_app: FastAPI, committed_url: str, seen: list[str]
) -> None:
    jobs = [(await put(committed_app, kind, name))[0] for kind, name in ((echo, "later"), (urgent, "first")) * 4]
    # with two slots, the job worker fetches one job at a time
    async with working(committed_url, QUICK.model_copy(update={"max_concurrent": 2})):
        for job in jobs:
            await until(committed_app, job.id, "succeeded")

    # two jobs run at a time: the fourth urgent job may run beside the first job of lower priority
    assert seen[:3] == ["first"] * 3, seen
    assert seen[-3:] == ["later"] * 3, seen


@pytest.mark.parametrize("attempt", range(1, 12))
def test_a_backoff_is_random_below_a_bound_that_doubles_up_to_the_most_of_the_kind(attempt: int) -> None:
    kind = Kind(name="k", function=echo.function, payload=Note, first_backoff_seconds=2, max_backoff_seconds=600)
    bound = min(600, 2 * 2 ** (attempt - 1))
    found = [kind.backoff(attempt) for _ in range(1000)]

    assert 0 <= min(found) < bound / 10
    assert bound * 9 / 10 < max(found) <= bound
    assert bound * 4 / 10 < mean(found) < bound * 6 / 10  # the mean is within ten standard errors of bound / 2


SECONDS_LEFT = """
SELECT coalesce(max(extract(epoch FROM execute_after - now()))::int, -1)
FROM pgqueuer.pgqueuer WHERE entrypoint = 'test.patient' AND status = 'queued' AND attempts > 0
"""


@pytest.mark.usefixtures("worker")
async def test_the_next_attempt_waits_for_the_backoff_of_its_kind(committed_app: FastAPI) -> None:
    async def waiting() -> int:
        return await count(committed_app, SECONDS_LEFT)

    async def is_back() -> bool:
        return await waiting() >= 0

    job, _ = await put(committed_app, patient)
    row = await until(committed_app, job.id, "failed")
    await waits(is_back)
    seconds = (row["run_at"] - row["updated_at"]).total_seconds()

    assert 0 <= seconds <= 600
    assert abs(await waiting() - seconds) < 60

"""The maintenance job `jobs.prune` keeps the tables of jobs small; at each scheduled time, one worker runs the job."""

from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy import delete, func, select

from app.jobs.models import Job
from app.jobs.queue import prune_log
from app.jobs.registry import job
from app.jobs.run import Run

ROWS = 1000
"""The most jobs that one DELETE removes, in some milliseconds; a larger DELETE would hold locks for too long."""

LOG_AGE = timedelta(days=1)


class Prune(BaseModel):
    """The payload of `jobs.prune`, which needs no input."""


class Pruned(BaseModel):
    """The result of `jobs.prune`: the number of deleted jobs."""

    jobs: int


@job("jobs.prune", schedule="17 * * * *", max_attempts=1)
async def prune(_payload: Prune, run: Run) -> Pruned:
    """Delete jobs that ended more than JOBS__KEEP_SECONDS ago, and entries of pgqueuer's log older than a day."""
    kept = timedelta(seconds=run.resources.plan.jobs.keep_seconds)
    old = select(Job.id).where(Job.finished_at < func.now() - kept).limit(ROWS)
    total = 0
    while True:
        async with run.transaction() as session:
            await prune_log(session, LOG_AGE)
            deleted = (await session.scalars(delete(Job).where(Job.id.in_(old)).returning(Job.id))).all()
        total += len(deleted)
        if len(deleted) < ROWS:
            return Pruned(jobs=total)

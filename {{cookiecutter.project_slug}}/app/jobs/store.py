"""The functions behind the HTTP routes of jobs: read, list, cancel, retry. An owner finds only jobs of this owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update

from app.database.engine import ReadWriteSession
from app.database.reader import AnySession
from app.errors import Conflict, NotFound
from app.jobs import queue
from app.jobs.models import FINAL, Job, JobState


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a list of jobs; a filter that is None does not apply."""

    state: JobState | None = None
    kind: str | None = None


def _of(owner: str | None) -> ColumnElement[bool]:
    return Job.owner.is_not_distinct_from(owner)


async def get(session: AnySession, job_id: UUID, owner: str | None) -> Job:
    """Return a job.

    Raises:
        NotFound: there is no such job, or the job belongs to a different owner.
    """
    found: Job | None = (await session.scalars(select(Job).where(Job.id == job_id, _of(owner)))).one_or_none()
    if found is None:
        raise NotFound(f"There is no job {job_id}.")
    return found


async def page(
    session: AnySession, owner: str | None, filters: Filters, *, limit: int, after: UUID | None
) -> tuple[Sequence[Job], UUID | None]:
    """Return a page of jobs, newest first, and the id after which the next page starts, None for the last page."""
    statement = select(Job).where(_of(owner)).order_by(Job.id.desc()).limit(limit + 1)
    conditions = ((Job.state, filters.state), (Job.kind, filters.kind))
    statement = statement.where(*(column == value for column, value in conditions if value is not None))
    if after is not None:
        statement = statement.where(Job.id < after)
    jobs = (await session.scalars(statement)).all()
    return jobs[:limit], jobs[limit - 1].id if len(jobs) > limit else None


async def cancel(session: ReadWriteSession, job_id: UUID, owner: str | None) -> Job:
    """Cancel a job: at once if the job waits; if the job runs, its worker soon cancels the job's function.

    Raises:
        NotFound: there is no such job, or the job belongs to a different owner.
        Conflict: the job has already ended as succeeded or dead.
    """
    mine = update(Job).where(Job.id == job_id, _of(owner)).returning(Job.id)
    waiting = mine.where(Job.state.in_((JobState.QUEUED, JobState.FAILED)))
    ended = {"state": JobState.CANCELLED, "cancel_requested_at": func.now(), "finished_at": func.now()}
    if await session.scalar(waiting.values(ended)) is None:
        asked = {"cancel_requested_at": func.coalesce(Job.cancel_requested_at, func.now())}
        await session.scalar(mine.where(Job.state == JobState.RUNNING).values(asked))
    job = await get(session, job_id, owner)
    if job.state in FINAL - {JobState.CANCELLED}:
        raise Conflict(f"The job {job_id} is {job.state} and cannot be cancelled.")
    return job


async def retry(session: ReadWriteSession, job_id: UUID, owner: str | None) -> Job:
    """Put a dead job into the queue again, with the full count of attempts; the stored progress is kept.

    Raises:
        NotFound: there is no such job, or the job belongs to a different owner.
        Conflict: the job is not dead.
    """
    again = {"state": JobState.QUEUED, "attempts": 0, "error_code": None, "error_detail": None, "run_at": func.now()}
    dead = update(Job).where(Job.id == job_id, _of(owner), Job.state == JobState.DEAD).returning(Job.id)
    # clear a request to cancel that came too late to stop the job: it would cancel the next attempt at the start
    revived = await session.scalar(dead.values({**again, "finished_at": None, "cancel_requested_at": None}))
    job = await get(session, job_id, owner)
    if revived is None:
        raise Conflict(f"The job {job_id} is {job.state}: only a dead job is retried.")
    await session.execute(queue.push(select(Job).where(Job.id == job_id).subquery()))
    return job

"""The events of jobs for streams: each event has the state of a job after a change."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select

from app.database.reader import Reader
from app.jobs.models import FINAL, Job
from app.jobs.schemas import JobOut

FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Matches the id of a job in lower case with hyphens, the only spelling in events: a stream would take a different
spelling of the same UUID for a different object."""


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of a job after a change."""

    id: str
    sequence: int
    owner: str | None
    is_final: bool
    data: JobOut


class JobEvents:
    """Reads the states of jobs for streams: the source of the topic `jobs`; see `app/streams/source.py`."""

    topic = "jobs"

    async def some(self, reader: Reader, ids: Collection[str]) -> Sequence[JobState]:
        """Return the states of the jobs with these ids; a malformed or unknown id is left out."""
        known = [UUID(one) for one in ids if FORM.fullmatch(one)]
        return [_state_of(job) for job in await reader.scalars(select(Job).where(Job.id.in_(known)))] if known else []

    async def changed(
        self, reader: Reader, owners: Collection[str | None], *, after: int, limit: int
    ) -> Sequence[JobState]:
        """Return the states of the owners' jobs that changed after this sequence number, oldest change first."""
        own = or_(*(Job.owner.is_not_distinct_from(owner) for owner in owners))
        found = select(Job).where(own, Job.sequence > after).order_by(Job.sequence).limit(limit)
        return [_state_of(job) for job in await reader.scalars(found)]


def _state_of(job: Job) -> JobState:
    return JobState(str(job.id), job.sequence, job.owner, job.state in FINAL, JobOut.model_validate(job))

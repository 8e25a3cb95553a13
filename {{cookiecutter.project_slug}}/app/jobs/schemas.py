"""Request and response bodies of the job routes. Times are UTC."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.jobs.models import JobState


class JobsQuery(BaseModel):
    """The query parameters of the list of jobs; an unknown parameter is refused."""

    model_config = ConfigDict(extra="forbid")

    state: JobState | None = None
    kind: str | None = Field(default=None, max_length=100, pattern=r"^[\w.-]+$")
    limit: int = Field(default=50, ge=1, le=100)
    after: UUID | None = Field(default=None, description="List only jobs older than the job with this id.")


class JobOut(BaseModel):
    """A job in a response body, with state, progress and result."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    # The state is a text and not a `JobState`: during an update, replicas with old code may read a state that only new
    # code knows.
    state: str = Field(examples=[JobState.QUEUED])
    attempts: int
    max_attempts: int
    progress: int
    total: int | None = Field(description="The number of all steps of the job, null if it is unknown.")
    result: dict[str, Any] | None
    error_code: str | None = Field(description="Why the last attempt failed; `worker_died` if its worker died.")
    error_detail: str | None
    cancel_requested_at: AwareDatetime | None
    run_at: AwareDatetime = Field(description="The earliest time of the next attempt.")
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    updated_at: AwareDatetime


class JobPage(BaseModel):
    """A page of the list of jobs, newest first."""

    jobs: list[JobOut]
    next: UUID | None = Field(description="Pass it as `after` to get the following page; null at the end.")

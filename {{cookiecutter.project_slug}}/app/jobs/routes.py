"""The HTTP routes of jobs: read, list, cancel, retry. Routes of features start jobs, and respond with `accepted`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.database.engine import ReadWriteSession
from app.dependencies import STRICT, IdempotentDep, ReadSession, WriteSession
from app.idempotency.request import IdempotentRequest
from app.jobs import store
from app.jobs.models import Job
from app.jobs.schemas import JobOut, JobPage, JobsQuery
from app.request.principal import Principal, needs
from app.web.openapi import LOCATION, documented_errors

router = APIRouter(prefix="/api/v1", tags=["jobs"])

MayRead = Annotated[Principal, needs("jobs:read")]
MayWrite = Annotated[Principal, needs("jobs:write")]

ACCEPTED: dict[str, Any] = {
    "status_code": 202,
    "response_model": JobOut,
    "dependencies": STRICT,
    "responses": documented_errors(409) | {202: LOCATION},
}
"""The arguments of FastAPI's decorator for a route that starts a job, as in `@router.post("/...", **ACCEPTED)`."""

OF_A_JOB = ACCEPTED | {"responses": documented_errors(404, 409) | {202: LOCATION}}


async def accepted(request: Request, session: ReadWriteSession, idempotent: IdempotentRequest, job: Job) -> Response:
    """Return the response to a request that started a job: status 202, the job in the body, a URL in `Location`."""
    headers = {"location": request.url_for("read_job", job_id=job.id).path}
    return await idempotent.answer(session, JobOut.model_validate(job), status=202, headers=headers)


@router.get("/jobs/{job_id}", response_model=JobOut, responses=documented_errors(404), dependencies=STRICT)
async def read_job(job_id: UUID, session: ReadSession, principal: MayRead) -> Job:
    """Read a job with state, progress and result."""
    return await store.get(session, job_id, principal.owner)


@router.get("/jobs")
async def list_jobs(session: ReadSession, principal: MayRead, query: Annotated[JobsQuery, Query()]) -> JobPage:
    """List jobs, newest first, by keyset pagination."""
    filters = store.Filters(query.state, query.kind)
    jobs, following = await store.page(session, principal.owner, filters, limit=query.limit, after=query.after)
    return JobPage(jobs=[JobOut.model_validate(job) for job in jobs], next=following)


@router.delete("/jobs/{job_id}", **OF_A_JOB)
async def cancel_job(
    job_id: UUID, session: WriteSession, idempotent: IdempotentDep, principal: MayWrite, request: Request
) -> Response:
    """Cancel a job: at once while the job waits, and within a second or two while the job runs."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    return await accepted(request, session, idempotent, await store.cancel(session, job_id, principal.owner))


@router.post("/jobs/{job_id}/retry", **OF_A_JOB)
async def retry_job(
    job_id: UUID, session: WriteSession, idempotent: IdempotentDep, principal: MayWrite, request: Request
) -> Response:
    """Put a dead job back into the queue, with the full count of attempts; the job continues at the stored progress."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    return await accepted(request, session, idempotent, await store.retry(session, job_id, principal.owner))

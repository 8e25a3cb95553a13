"""The health probes: `/health/live` shows that the event loop runs, `/health/ready` that requests can be served."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import ResourcesDep
from app.web.trust import is_trusted

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The response of the liveness probe."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The response of the readiness probe: the status alone for strangers, with the reasons for trusted callers."""

    status: Literal["ready", "not ready"]
    reasons: tuple[str, ...] | None = Field(default=None, exclude_if=lambda reasons: reasons is None)
    """The reasons why this process must receive no traffic; for trusted callers only."""
    warnings: tuple[str, ...] = Field(default=(), exclude_if=lambda warnings: not warnings)
    instance: str | None = Field(default=None, exclude_if=lambda found: found is None)
    """The value of the setting INSTANCE_ID; for trusted callers only."""


@router.head("/live", include_in_schema=False)
@router.get("/live")
async def live() -> Live:
    """Answer ok while the event loop runs.

    Liveness does not query the database: a failed probe restarts the process, which would not repair the database.
    """
    return Live()


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses={503: {"model": Ready, "description": "Not ready"}})
async def ready(resources: ResourcesDep, request: Request, response: Response) -> Ready:
    """Answer 200 if this process may receive traffic, else 503; trusted callers get the reasons too.

    The load of the workers is served on the management port only: a stranger would see how well an attack works.
    """
    readiness = resources.readiness
    reasons = await readiness.reasons()
    if reasons:
        response.status_code = 503
    answer = Ready(status="not ready" if reasons else "ready")
    if is_trusted(request.scope):
        answer.reasons, answer.instance = reasons, readiness.instance_id
        answer.warnings = () if reasons else readiness.capacity.warnings
    return answer

"""The probes. `live` says that the event loop turns; `ready` says that requests can be served."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.dependencies import ReadinessDep

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Whether this process may get traffic, and why not."""

    status: Literal["ready", "not ready"]
    reasons: tuple[str, ...] = ()


@router.get("/live")
async def live() -> Live:
    """Touch nothing: a restart does not mend a database, so the database must not cause one."""
    return Live()


@router.get("/ready", responses={503: {"model": Ready, "description": "Not ready"}})
async def ready(readiness: ReadinessDep, response: Response) -> Ready:
    """Answer 503 with reasons while traffic should stay away."""
    reasons = await readiness.reasons()
    if not reasons:
        return Ready(status="ready")
    response.status_code = 503
    return Ready(status="not ready", reasons=reasons)

"""The probes. `live` says that the event loop turns; `ready` says that requests can be served."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import ReadinessDep, ResourcesDep

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Load(BaseModel):
    """How busy one gate is."""

    model_config = ConfigDict(from_attributes=True)

    places: int
    in_use: int
    max_waiting: int
    waiting: int
    max_wait_seconds: float
    refused: int


class Neighbour(BaseModel):
    """Another service: whether its breaker lets calls pass, and how many are in flight."""

    breaker: str
    calls: Load


class EventLoop(BaseModel):
    """How late the event loop was at worst in the last 10 s or a little more, and how often it was blocked."""

    model_config = ConfigDict(from_attributes=True)

    lag_seconds: float
    stalls: int


class Ready(BaseModel):
    """Whether this process may get traffic, and why not."""

    status: Literal["ready", "not ready"]
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = Field(default=(), exclude_if=lambda warnings: not warnings)
    event_loop: EventLoop | None = Field(default=None, exclude_if=lambda found: found is None)
    """Of this worker, with `?verbose`."""
    background_tasks: int | None = Field(default=None, exclude_if=lambda found: found is None)
    """The supervisor's, with `?verbose`."""
    gates: dict[str, Load] | None = Field(default=None, exclude_if=lambda gates: gates is None)
    """Of this worker, with `?verbose`: the database's and each route family's."""
    downstreams: dict[str, Neighbour] | None = Field(default=None, exclude_if=lambda found: found is None)
    """The other services as this worker sees them, with `?verbose`."""


@router.get("/live")
async def live() -> Live:
    """Touch nothing: a restart does not mend a database, so the database must not cause one."""
    return Live()


@router.get("/ready", responses={503: {"model": Ready, "description": "Not ready"}})
async def ready(
    readiness: ReadinessDep,
    resources: ResourcesDep,
    response: Response,
    verbose: Annotated[str | None, Query()] = None,
) -> Ready:
    """Answer 503 with reasons while traffic should stay away; `?verbose` also tells how busy this worker is."""
    reasons = await readiness.reasons()
    answer = Ready(status="not ready" if reasons else "ready", reasons=reasons)
    if reasons:
        response.status_code = 503
    else:
        answer.warnings = readiness.capacity.warnings
    if verbose is not None:
        answer.event_loop = EventLoop.model_validate(resources.loop_monitor)
        answer.background_tasks = resources.supervisor.running
        answer.gates = {name: Load.model_validate(gate) for name, gate in resources.gates.items()}
        answer.downstreams = {
            name: Neighbour(breaker=one.breaker.state.value, calls=Load.model_validate(one.gate))
            for name, one in resources.downstreams.items()
        }
    return answer

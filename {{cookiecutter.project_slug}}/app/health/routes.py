"""The health probes: `/health/live` shows that the event loop runs, `/health/ready` that requests can be served."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import ResourcesDep
from app.web.trust import is_trusted

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The response of the liveness probe."""

    status: Literal["ok"] = "ok"


class BulkheadState(BaseModel):
    """The bounds of one bulkhead, and the numbers of running, queued and refused requests or calls."""

    max_concurrent: int
    in_use: int
    max_queue: int
    queued: int
    queue_timeout_seconds: float
    refused: int


# {% if cookiecutter.http_client != "none" %}
class DownstreamState(BaseModel):
    """The state of a downstream, as seen by this worker: circuit breaker and bulkhead."""

    breaker: str
    bulkhead: BulkheadState


# {% endif %}
class EventLoop(BaseModel):
    """The lag of the event loop, the largest of the last 10 to 20 s, and the number of stalls since the start."""

    lag_seconds: float
    stalls: int


class Ready(BaseModel):
    """The response of the readiness probe, with the reasons why this process must receive no traffic."""

    status: Literal["ready", "not ready"]
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = Field(default=(), exclude_if=lambda warnings: not warnings)
    instance: str | None = Field(default=None, exclude_if=lambda found: found is None)
    """The setting INSTANCE_ID, which tells whose response this is; only with `?verbose`."""
    event_loop: EventLoop | None = Field(default=None, exclude_if=lambda found: found is None)
    """The lag and the stalls of this worker's event loop; only with `?verbose`."""
    background_tasks: int | None = Field(default=None, exclude_if=lambda found: found is None)
    """The number of running background tasks; only with `?verbose`."""
    bulkheads: dict[str, BulkheadState] | None = Field(default=None, exclude_if=lambda bulkheads: bulkheads is None)
    """The bulkheads of this worker, only with `?verbose`: `database`, each route group and each connection quota."""
    # {% if cookiecutter.http_client != "none" %}
    downstreams: dict[str, DownstreamState] | None = Field(default=None, exclude_if=lambda found: found is None)
    """The circuit breaker and bulkhead of each downstream in this worker, by name; only with `?verbose`."""
    # {% endif %}


@router.head("/live", include_in_schema=False)
@router.get("/live")
async def live() -> Live:
    """Answer ok while the event loop runs.

    Liveness does not query the database: a failed probe restarts the process, which would not repair the database.
    """
    return Live()


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses={503: {"model": Ready, "description": "Not ready"}})
async def ready(
    resources: ResourcesDep, request: Request, response: Response, verbose: Annotated[str | None, Query()] = None
) -> Ready:
    """Answer 200 if this process may receive traffic, else 503 with reasons; `?verbose` adds the worker's load.

    Only trusted callers see the load, as it would tell an attacker how well an attack works.
    """
    reasons = await resources.readiness.reasons()
    if reasons:
        response.status_code = 503
    answer: dict[str, object] = {
        "status": "not ready" if reasons else "ready",
        "reasons": reasons,
        "warnings": () if reasons else resources.readiness.capacity.warnings,
    }
    if verbose is not None and is_trusted(request.scope):
        answer["instance"] = resources.readiness.instance_id
        answer["event_loop"] = resources.loop_monitor
        answer["background_tasks"] = resources.supervisor.running
        answer["bulkheads"] = resources.bulkheads
        # {% if cookiecutter.http_client != "none" %}
        answer["downstreams"] = {
            name: {"breaker": downstream.breaker.state.value, "bulkhead": downstream.bulkhead}
            for name, downstream in resources.downstreams.items()
        }
        # {% endif %}
    return Ready.model_validate(answer, from_attributes=True)

"""What a route may ask for, as `Annotated` aliases. The only reader of `app.state` besides `lifespan.py`.

All are async: FastAPI runs a sync dependency in a thread, for a fifth more CPU per request. The sessions have
`scope="function"`: FastAPI ends them after the handler and before the response starts. With the default scope it would
commit after the client has read its 201, and a commit that fails would be a lie.
"""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Header, Request

from app.database import ReadOnlySession, ReadWriteSession
from app.downstreams.registry import Downstreams
from app.health.readiness import Readiness
from app.idempotency.once import Once
from app.lifespan import Resources
from app.offload import Offload
from app.reader import Reader
from app.supervisor import Supervisor


def resources_of(request: Request) -> Resources:
    """Return what the lifespan opened. A plain call: as a dependency of its own it would cost every request more."""
    resources: Resources = request.app.state.resources
    return resources


async def get_reader(request: Request) -> Reader:
    """Return what runs statements that stand alone."""
    return resources_of(request).reader


async def open_snapshot_session(request: Request) -> AsyncGenerator[ReadOnlySession]:
    """Lend a session whose statements see one moment."""
    async with resources_of(request).snapshot_sessions() as session:
        yield session


async def open_write_session(request: Request) -> AsyncGenerator[ReadWriteSession]:
    """Lend a session inside a transaction; commit it when the handler returned, roll it back when anything raised."""
    async with resources_of(request).write_sessions.begin() as session:
        yield session


async def get_downstreams(request: Request) -> Downstreams:
    """Return the downstreams by name."""
    return resources_of(request).downstreams


async def get_offload(request: Request) -> Offload:
    """Return the threads and processes for work that would stop the event loop."""
    return resources_of(request).offload


async def get_supervisor(request: Request) -> Supervisor:
    """Return what owns the background tasks."""
    return resources_of(request).supervisor


async def get_once(
    request: Request,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")] = None,
) -> Once:
    """Return what knows whether this request came before."""
    return Once.of(
        idempotency_key,
        place=f"{request.method} {request.url.path}",
        request=f"{request.url.query}\n".encode() + await request.body(),
        seconds=resources_of(request).idempotency_seconds,
    )


async def get_resources(request: Request) -> Resources:
    """Return all of it."""
    return resources_of(request)


async def get_readiness(request: Request) -> Readiness:
    """Return what decides about traffic."""
    return resources_of(request).readiness


ReadSession = Annotated[Reader, Depends(get_reader)]
"""For a route that reads: one round trip a statement, no connection held in between, and PostgreSQL refuses a write."""

SnapshotSession = Annotated[ReadOnlySession, Depends(open_snapshot_session, scope="function")]
"""For a route whose reads must agree with each other: one read-only, repeatable-read transaction."""

WriteSession = Annotated[ReadWriteSession, Depends(open_write_session, scope="function")]
"""For a route that writes: one transaction, committed before the response starts."""

DownstreamsDep = Annotated[Downstreams, Depends(get_downstreams)]
"""The other services, by name."""

OffloadDep = Annotated[Offload, Depends(get_offload)]
"""For a route that has to call something that blocks, or to compute for more than a few milliseconds."""

SupervisorDep = Annotated[Supervisor, Depends(get_supervisor)]
"""For a route that starts work which goes on after the response."""

OnceDep = Annotated[Once, Depends(get_once)]
"""For a route that writes, and whose clients may repeat a request with the same Idempotency-Key."""

ResourcesDep = Annotated[Resources, Depends(get_resources)]
"""For who wants to see how busy this process is."""

ReadinessDep = Annotated[Readiness, Depends(get_readiness)]
"""For the health probes."""

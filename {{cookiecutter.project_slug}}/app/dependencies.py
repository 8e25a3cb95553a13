"""What a route may ask for, as `Annotated` aliases. The only reader of `app.state` besides `lifespan.py`.

All are async: FastAPI runs a sync dependency in a thread, for a fifth more CPU per request. The sessions have
`scope="function"`: FastAPI ends them after the handler and before the response starts. With the default scope it would
commit after the client has read its 201, and a commit that fails would be a lie.
"""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Request

from app.database import ReadOnlySession, ReadWriteSession
from app.downstreams.registry import Downstreams
from app.health.readiness import Readiness
from app.lifespan import Resources
from app.reader import Reader


async def get_resources(request: Request) -> Resources:
    """Return what the lifespan opened."""
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]
"""Everything that lives as long as the process. Routes ask for a part of it, by the aliases below."""


async def get_reader(resources: ResourcesDep) -> Reader:
    """Return what runs statements that stand alone."""
    return resources.reader


async def open_snapshot_session(resources: ResourcesDep) -> AsyncGenerator[ReadOnlySession]:
    """Lend a session whose statements see one moment."""
    async with resources.snapshot_sessions() as session:
        yield session


async def open_write_session(resources: ResourcesDep) -> AsyncGenerator[ReadWriteSession]:
    """Lend a session inside a transaction; commit it when the handler returned, roll it back when anything raised."""
    async with resources.write_sessions.begin() as session:
        yield session


async def get_downstreams(resources: ResourcesDep) -> Downstreams:
    """Return the downstreams by name."""
    return resources.downstreams


async def get_readiness(resources: ResourcesDep) -> Readiness:
    """Return what decides about traffic."""
    return resources.readiness


ReadSession = Annotated[Reader, Depends(get_reader)]
"""For a route that reads: one round trip a statement, no connection held in between, and PostgreSQL refuses a write."""

SnapshotSession = Annotated[ReadOnlySession, Depends(open_snapshot_session, scope="function")]
"""For a route whose reads must agree with each other: one read-only, repeatable-read transaction."""

WriteSession = Annotated[ReadWriteSession, Depends(open_write_session, scope="function")]
"""For a route that writes: one transaction, committed before the response starts."""

DownstreamsDep = Annotated[Downstreams, Depends(get_downstreams)]
"""The other services, by name."""

ReadinessDep = Annotated[Readiness, Depends(get_readiness)]
"""For the health probes."""

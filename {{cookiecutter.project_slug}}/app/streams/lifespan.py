"""The lifespan of SSE and WebSocket streams: opens the hub of streams and the LISTEN connection, and ends all streams.

This lifespan runs inside the lifespan of the application, which has opened the resources of the application before.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated
from weakref import WeakKeyDictionary

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection

from app.capacity.plan import Plan
from app.database import engine as database
from app.dependencies import resources_of
from app.readiness.readiness import Readiness
from app.settings.database_url import with_target
from app.settings.service import Settings
from app.streams.delivery import deliver
from app.streams.hub import Hub
from app.streams.listener import listen
from app.streams.source import Source
from app.streams.subscription import Reason

DRAIN_CHECK_SECONDS = 0.25
"""The interval, in seconds, between two checks whether the drain of this process has begun."""

HUBS: WeakKeyDictionary[FastAPI, Hub] = WeakKeyDictionary()
"""The hub, which holds all open streams, of each application. A process has a single application, but several in
tests."""


async def get_hub(connection: HTTPConnection) -> Hub:
    """Return the hub of streams of the application that handles this request or WebSocket."""
    return HUBS[connection.app]


HubDep = Annotated[Hub, Depends(get_hub)]
"""The dependency of a route that streams: the hub with the subscriptions of this process."""


def build_lifespan(
    settings: Settings, sources: Iterable[Source]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an application's streams; `sources` read the objects that clients can follow."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        resources = resources_of(HTTPConnection({"type": "http", "app": app}))
        hub = HUBS[app] = Hub(sources, resources.reader, **limits(resources.plan))
        url = with_target(settings.database_direct_url or settings.database_url, settings.database_target)
        name = database.connection_name(settings.service_name, "streams")
        engine = database.build_probe_engine(url, timeouts=settings.database_timeouts, application_name=name)
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(once_followed(hub, listen(engine, hub.notify, hub.resync))),
                tasks.create_task(once_followed(hub, deliver(hub))),
                tasks.create_task(end_at_drain(hub, resources.readiness, settings.drain_seconds)),
            ]
            yield
            hub.end(Reason.RESTARTING)
            for task in work:
                task.cancel()
        await engine.dispose()

    return lifespan


async def once_followed(hub: Hub, work: Coroutine[None, None, None]) -> None:
    """Run a coroutine once a client opens a stream: without streams, the process need not listen or poll."""
    try:
        await hub.followed.wait()
    except asyncio.CancelledError:
        work.close()
        raise
    await work


def limits(plan: Plan) -> dict[str, int]:
    """Return the bounds of streams: at most half of the client connections; by default, a client may have a tenth."""
    most = min(plan.streams.max_concurrent, max(1, plan.client_connections // 2))
    return {"max_concurrent": most, "max_per_client": plan.streams.max_per_client or max(1, most // 10)}


async def end_at_drain(hub: Hub, readiness: Readiness, drain_seconds: float) -> None:
    """End all streams at the end of the drain; a client whose stream ends earlier would reconnect to this process."""
    while not readiness.is_draining():  # noqa: ASYNC110 - a signal handler sets the flag of the drain
        await asyncio.sleep(DRAIN_CHECK_SECONDS)
    await asyncio.sleep(max(0.0, drain_seconds - DRAIN_CHECK_SECONDS))
    hub.end(Reason.RESTARTING)

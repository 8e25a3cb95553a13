"""The place that opens and closes: what is opened here lives as long as the process and closes in reverse.

One AsyncExitStack, so that a start that fails half way closes what it had opened. Requests find it all as one frozen
`Resources` through `dependencies.py`.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from anyio import to_thread
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from app import database
from app.capacity import Plan, plan_for
from app.database import ReadOnlySession, ReadWriteSession
from app.downstreams.registry import Downstreams, Transports, open_downstreams, over_the_network
from app.health.readiness import Readiness
from app.health.revisions import Revisions
from app.reader import Reader
from app.settings import Settings

log = structlog.get_logger("lifespan")


@dataclass(frozen=True, slots=True)
class Resources:
    """What a request may use. One per process; nothing in it is made per request."""

    plan: Plan
    engine: AsyncEngine
    reader: Reader
    snapshot_sessions: async_sessionmaker[ReadOnlySession]
    write_sessions: async_sessionmaker[ReadWriteSession]
    downstreams: Downstreams
    readiness: Readiness


def build_lifespan(
    settings: Settings, transports: Transports = over_the_network
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an application with these settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_resources(settings, transports) as resources:
            app.state.resources = resources
            log.info("started", workers=resources.plan.workers, pool_size=resources.plan.pool_size)
            yield
        log.info("stopped")

    return lifespan


@asynccontextmanager
async def open_resources(settings: Settings, transports: Transports = over_the_network) -> AsyncGenerator[Resources]:
    """Open the engine, the downstreams with their semaphores and the thread limiter; close them in reverse."""
    plan = plan_for(settings)
    async with AsyncExitStack() as stack:
        engine, probe_engine = _build_engines(settings, plan)
        stack.push_async_callback(engine.dispose)
        stack.push_async_callback(probe_engine.dispose)
        downstreams = await stack.enter_async_context(open_downstreams(settings.downstreams, transports))
        to_thread.current_default_thread_limiter().total_tokens = plan.thread_tokens
        yield Resources(
            plan=plan,
            engine=engine,
            reader=Reader(engine),
            snapshot_sessions=database.snapshot_sessions(engine),
            write_sessions=database.write_sessions(engine),
            downstreams=downstreams,
            readiness=Readiness(Reader(probe_engine), Revisions.read()),
        )


def begin_drain(app: FastAPI) -> None:
    """Tell the balancer to look elsewhere; the gunicorn worker calls this on SIGTERM."""
    resources: Resources | None = getattr(app.state, "resources", None)
    if resources is not None:  # None when the signal comes before the start is through
        resources.readiness.draining = True


def limits_of(settings: Settings) -> database.Limits:
    """Return the time limits of database connections."""
    return database.Limits(
        connect=timedelta(seconds=settings.database_connect_seconds),
        pool_wait=timedelta(seconds=settings.database_pool_wait_seconds),
        lock=timedelta(seconds=settings.database_lock_seconds),
        statement=timedelta(seconds=settings.database_statement_seconds),
        command=timedelta(seconds=settings.database_command_seconds),
    )


def _build_engines(settings: Settings, plan: Plan) -> tuple[AsyncEngine, AsyncEngine]:
    """Build the engine of the requests and the one of the readiness probe."""
    url, limits, name = settings.database_url.get_secret_value(), limits_of(settings), settings.service_name
    engine = database.build_engine(url, pool_size=plan.pool_size, limits=limits, application_name=name)
    return engine, database.build_probe_engine(url, limits=limits, application_name=f"{name} probe")

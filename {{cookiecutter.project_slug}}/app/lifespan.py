"""The place that opens and closes: what is opened here lives as long as the process and closes in reverse.

One AsyncExitStack, so that a start that fails half way closes what it had opened. Requests find it all as one frozen
`Resources` through `dependencies.py`.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf

import structlog
from anyio import to_thread
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from app import database
from app.capacity.check import CapacityCheck
from app.capacity.plan import Plan, plan_for
from app.connection import Limits, enforced
from app.database import ReadOnlySession, ReadWriteSession
from app.downstreams.registry import Downstreams, Transports, open_downstreams, over_the_network
from app.gate import Gate
from app.health.readiness import Readiness
from app.health.revisions import Revisions
from app.health.role_check import RoleCheck
from app.observability.loop_monitor import LoopMonitor
from app.offload import Offload
from app.pool import FairPool
from app.reader import Reader
from app.settings import CLOSING_SECONDS, Settings
from app.supervisor import Supervisor

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
    offload: Offload
    supervisor: Supervisor
    loop_monitor: LoopMonitor
    idempotency_seconds: float
    readiness: Readiness
    gates: Mapping[str, Gate] = field(default_factory=dict)
    """Where requests wait, by name: `database`, and the route families."""


def build_lifespan(
    settings: Settings, transports: Transports = over_the_network, gates: Mapping[str, Gate] | None = None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an application with these settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_resources(settings, transports) as resources:
            app.state.resources = replace(resources, gates={**resources.gates, **(gates or {})})
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
        for one in (engine, probe_engine):
            stack.push_async_callback(one.dispose)
        capacity = CapacityCheck(plan, Reader(probe_engine), settings.database_capacity_check)
        await capacity.at_start()
        role = RoleCheck(enforced(limits_of(settings)), capacity.reader) if plan.pgbouncer_connections else None
        if role:
            await role.at_start()
        readiness = Readiness(capacity.reader, Revisions.read(), capacity, role)
        development = settings.environment == "development"
        downstreams = await stack.enter_async_context(
            open_downstreams(settings.downstreams, transports, lambda: readiness.draining, development=development)
        )
        to_thread.current_default_thread_limiter().total_tokens = plan.thread_tokens
        offload = Offload(threads=plan.offload_threads, processes=plan.processes)
        stack.push_async_callback(offload.close)
        loop_monitor = stack.enter_context(LoopMonitor(settings.loop_stall_seconds))
        supervisor = Supervisor(tasks=plan.background_tasks, stop_seconds=background_seconds(settings))
        stack.push_async_callback(supervisor.close)  # the first to be closed: its tasks use the rest
        yield Resources(
            plan=plan,
            engine=engine,
            reader=Reader(engine),
            snapshot_sessions=database.snapshot_sessions(engine),
            write_sessions=database.write_sessions(engine),
            downstreams=downstreams,
            offload=offload,
            supervisor=supervisor,
            loop_monitor=loop_monitor,
            idempotency_seconds=settings.idempotency_seconds,
            readiness=readiness,
            gates={"database": engine.pool.gate} if isinstance(engine.pool, FairPool) else {},
        )


def begin_drain(app: FastAPI, seconds: float = inf) -> None:
    """Tell the balancer to look elsewhere; the gunicorn worker calls this on a signal.

    Args:
        app: with what its lifespan opened.
        seconds: for background tasks, when there is less than the settings give.
    """
    resources: Resources | None = getattr(app.state, "resources", None)
    if resources is not None:  # None when the signal comes before the start is through
        resources.readiness.draining = True
        resources.supervisor.drain(seconds)


def background_seconds(settings: Settings) -> float:
    """Return how long background tasks are waited for after the signal to stop."""
    return settings.graceful_stop_seconds - CLOSING_SECONDS


def limits_of(settings: Settings) -> Limits:
    """Return the time limits of database connections."""
    return Limits(
        connect=timedelta(seconds=settings.database_connect_seconds),
        lock=timedelta(seconds=settings.database_lock_seconds),
        statement=timedelta(seconds=settings.database_statement_seconds),
        command=timedelta(seconds=settings.database_command_seconds),
    )


def pool_of(plan: Plan) -> database.PoolBounds:
    """Return the bounds of the pool that serves the requests."""
    return database.PoolBounds(
        size=plan.pool_size,
        overflow=plan.max_overflow,
        waiting=plan.database_waiting,
        wait=timedelta(seconds=plan.database_wait_seconds),
    )


def _build_engines(settings: Settings, plan: Plan) -> tuple[AsyncEngine, AsyncEngine]:
    """Build the engine of the requests and the one of the readiness probe."""
    url, limits = settings.database_url.get_secret_value(), limits_of(settings)
    pgbouncer = plan.pgbouncer_connections is not None
    requests, probe = (
        database.connection_name(settings.service_name, purpose, pgbouncer=pgbouncer)
        for purpose in ("requests", "probe")
    )
    engine = database.build_engine(
        url, pool=pool_of(plan), limits=limits, application_name=requests, pgbouncer=pgbouncer
    )
    return engine, database.build_probe_engine(url, limits=limits, application_name=probe, pgbouncer=pgbouncer)

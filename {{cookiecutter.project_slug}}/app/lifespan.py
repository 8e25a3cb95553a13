"""The lifespan: opens all process-wide resources at the start, and closes all in reverse order at the end.

An AsyncExitStack holds what was opened, so that a start that fails half way closes everything again. Routes get the
resources as one frozen `Resources` on `app.state`, through `dependencies.py`.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from datetime import timedelta
from math import inf

import structlog
from anyio import to_thread
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from app.capacity.plan import Plan
from app.database import engine as database
from app.database.connection import enforced
from app.database.reader import Reader  # {%- if cookiecutter.auth == "jwt" +%}
from app.downstreams.client_credentials import authorize  # {%- endif %}# {%- if cookiecutter.http_client != "none" +%}
from app.downstreams.registry import Transports, open_downstreams, over_the_network  # {%- endif +%}
from app.limits.bulkhead import Bulkhead
from app.observability.loop_monitor import LoopMonitor
from app.observability.traces import Traces
from app.readiness.capacity import CapacityCheck
from app.readiness.readiness import Readiness
from app.readiness.role import RoleCheck
from app.readiness.schema import Revisions
from app.request.deadline import pauses
from app.resources import Resources
from app.settings.bounds import PoolBounds
from app.settings.database_url import with_target
from app.settings.service import Settings  # {%- if cookiecutter.auth == "jwt" +%}
from app.valkey.client import open_client  # {%- endif +%}
from app.web.websockets import require_library
from app.work.background import Supervisor
from app.work.offload import Offload  # {%- if cookiecutter.example == "showcases" +%}
from app.work.processes import Processes  # {%- endif +%}

log = structlog.get_logger("lifespan")


def build_lifespan(
    opener: Callable[[], AbstractAsyncContextManager[Resources]],
    watch: Callable[[Resources], AbstractAsyncContextManager[None]],
    traces: Traces | None = None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the ASGI lifespan of an application, which opens the resources and keeps all on `app.state`.

    Args:
        opener: a context manager that opens the resources at the start, and closes them at the end.
        watch: a context manager that connects the open resources to metrics and to spans.
        traces: sends OpenTelemetry's spans; closed last, so that the spans of background tasks are sent too.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        require_library(app)
        async with traces or nullcontext(), opener() as resources, watch(resources):
            app.state.resources = resources
            log.info("application started", workers=resources.plan.workers, pool_size=resources.plan.pool_size)
            yield
        log.info("application stopped")

    return lifespan


@asynccontextmanager
async def open_resources(
    settings: Settings,
    plan: Plan,
    bulkheads: Mapping[str, Bulkhead],  # {%- if cookiecutter.http_client != "none" +%}
    transports: Transports = over_the_network,  # {%- endif +%}
) -> AsyncGenerator[Resources]:
    """Open all resources of this process, and close all at the end; `bulkheads` limit the requests of route groups."""
    async with AsyncExitStack() as stack:
        engine, probe_engine = _build_engines(settings, plan)
        stack.push_async_callback(engine.dispose)
        stack.push_async_callback(probe_engine.dispose)
        readiness = await _check_database(settings, plan, Reader(probe_engine))
        # {% if cookiecutter.http_client != "none" %}
        downstreams = await stack.enter_async_context(
            open_downstreams(settings.downstreams, transports, readiness.is_draining, development=settings.development)
        )  # {%- endif %}# {%- if cookiecutter.auth == "jwt" +%}
        authorize(downstreams, settings.auth)
        valkey = await stack.enter_async_context(open_client(settings.redis_url))  # {%- endif +%}
        to_thread.current_default_thread_limiter().total_tokens = plan.thread_tokens
        loop_monitor = stack.enter_context(_monitor(settings))  # {%- if cookiecutter.example == "showcases" +%}
        processes = Processes(processes=max(1, plan.spare_cpus))
        stack.push_async_callback(processes.close)  # {%- endif +%}
        supervisor = Supervisor(tasks=plan.background_tasks, stop_seconds=settings.background_seconds)
        stack.push_async_callback(supervisor.close)  # last, to close first: tasks use the resources above
        yield Resources(
            plan=plan,
            engine=engine,
            reader=Reader(engine),
            snapshot_sessions=database.snapshot_sessions(engine),
            write_sessions=database.write_sessions(engine),  # {%- if cookiecutter.http_client != "none" +%}
            downstreams=downstreams,  # {%- endif +%}
            bulkheads=bulkheads,
            offload=Offload(threads=plan.offload_threads),  # {%- if cookiecutter.example == "showcases" +%}
            processes=processes,  # {%- endif +%}
            supervisor=supervisor,
            loop_monitor=loop_monitor,
            readiness=readiness,
            idempotency_seconds=settings.idempotency_seconds,  # {%- if cookiecutter.auth == "jwt" +%}
            valkey=valkey,  # {%- endif +%}
        )


def begin_drain(app: FastAPI, seconds: float = inf) -> None:
    """Make this process not ready, so that load balancers stop sending requests; called by the worker at SIGTERM.

    Args:
        app: the application, which may still be starting.
        seconds: the time in which background tasks must end, if shorter than the time in the settings.
    """
    resources: Resources | None = getattr(app.state, "resources", None)
    if resources is not None:  # SIGTERM may come before the resources are open
        resources.readiness.draining = True
        resources.supervisor.drain(seconds)


def _monitor(settings: Settings) -> LoopMonitor:
    """Build the monitor that reports a blocked event loop.

    In development the monitor also extends the deadlines of requests by the time that a debugger stops the event loop.
    """
    return LoopMonitor(settings.loop_stall_seconds, pause=pauses.add if settings.development else None)


async def _check_database(settings: Settings, plan: Plan, probe: Reader) -> Readiness:
    """Check the settings of the database role and the number of allowed connections, and return the `Readiness`.

    Either check may refuse the start of the service.
    """
    pgbouncer = plan.database_pgbouncer_connections is not None
    role = RoleCheck(enforced(settings.database_timeouts), probe, pgbouncer=pgbouncer)
    # The check of the database role is first: a pooler that the settings do not name fails both this check and the
    # check of the number of connections, and the message of this check is clearer.
    await role.at_start()
    capacity = CapacityCheck(plan, probe, settings.database_capacity_check)
    await capacity.at_start()
    primary = settings.database_target == "primary"
    return Readiness(probe, Revisions.read(), capacity, role, settings.instance_id, primary=primary)


def _build_engines(settings: Settings, plan: Plan) -> tuple[AsyncEngine, AsyncEngine]:
    """Build two SQLAlchemy engines: for requests, with a pool, and for the readiness probe, without a pool."""
    url, timeouts = with_target(settings.database_url, settings.database_target), settings.database_timeouts
    service, pgbouncer = settings.service_name, plan.database_pgbouncer_connections is not None
    requests = database.connection_name(service, "requests", pgbouncer=pgbouncer)
    probe = database.connection_name(service, "probe", pgbouncer=pgbouncer)
    bounds = PoolBounds(
        size=plan.pool_size,
        overflow=plan.database_max_overflow,
        max_queue=plan.database_max_queue,
        queue_timeout=timedelta(seconds=plan.database_queue_timeout_seconds),
        quotas=tuple(plan.route_groups),
        quota=plan.connection_quota,
        reserved=plan.reserved_for_quotas,
        nested_loans=not settings.development,
    )
    return (
        database.build_engine(url, pool=bounds, timeouts=timeouts, application_name=requests, pgbouncer=pgbouncer),
        database.build_probe_engine(url, timeouts=timeouts, application_name=probe, pgbouncer=pgbouncer),
    )

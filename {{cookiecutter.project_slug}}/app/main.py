"""The composition root: builds the FastAPI application from middleware, error handlers, routers and the lifespan.

gunicorn and uvicorn load `app.main:app`; tests call `create_app` with settings of their own.
"""

from collections.abc import Mapping
from functools import partial

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware

from app.capacity.bulkheads import AFTER_RESPONSE, BODIES, build_bulkheads
from app.capacity.from_settings import plan_for
from app.capacity.plan import Plan  # {%- if cookiecutter.http_client != "none" +%}
from app.downstreams.registry import Transports, over_the_network  # {%- endif +%}
from app.errors import CannotStart
from app.health.routes import router as health
from app.health.watch import watched
from app.lifespan import build_lifespan, open_resources
from app.limits.bulkhead import Bulkhead
from app.observability import logs
from app.observability.traces import Traces, build_traces
from app.settings.load import load_settings, log_fields
from app.settings.route_groups import PROBES, RouteGroups
from app.settings.service import Settings
from app.web.access_log import AccessLog
from app.web.admission import Admission
from app.web.body_limit import BodyLimit
from app.web.browsers import for_browsers
from app.web.catch_all import CatchAll, Service
from app.web.deadline import Deadline
from app.web.handlers import HANDLERS
from app.web.lingering_close import LingeringClose
from app.web.openapi import documented_errors
from app.web.read_ahead import ReadAhead
from app.web.request_id import RequestId
from app.web.trust import TrustedCallers, is_trusted
from app.web.unread_key import UnreadKey

# {% if cookiecutter.example != "no" %}
# isort: split
from app.orders.routes import router as orders

# {% endif %}# {% if cookiecutter.example == "showcases" %}
# isort: split
from app.products.routes import router as products

# {% endif %}# {% if cookiecutter.jobs == "yes" %}
# isort: split
from app.jobs.events import JobEvents
from app.jobs.routes import router as jobs
from app.streams.routes import build_router as streams

# {% endif %}# {% if cookiecutter.jobs == "yes" and cookiecutter.example != "no" %}
# isort: split
from app.orders.imports import router as imports

# {% endif %}# {% if cookiecutter.auth == "jwt" %}
# isort: split
from app.auth.middleware import Authentication, build_tokens

# {% endif %}
# isort: split
# yours below


# {% if cookiecutter.http_client == "none" %}def create_app(settings: Settings) -> FastAPI:
# {% else %}
def create_app(settings: Settings, transports: Transports = over_the_network) -> FastAPI:
    # {% endif %}
    """Build the application without opening any connection: the lifespan opens connections at the start."""
    logs.configure(level=settings.log_level, log_format=settings.log_format, fields=log_fields(settings))
    plan = plan_for(settings)
    bulkheads = build_bulkheads(plan)
    # {% if cookiecutter.http_client == "none" %}    opener = partial(open_resources, settings, plan, bulkheads)
    # {% else %}
    opener = partial(open_resources, settings, plan, bulkheads, transports)
    # {% endif %}
    callers, traces = TrustedCallers(settings.forwarded_allow_ips), build_traces(settings)
    app = Service(
        title=settings.service_name,
        lifespan=build_lifespan(opener, partial(watched, settings, traces), traces),
        middleware=build_middleware(settings, plan, bulkheads, callers),
        exception_handlers=HANDLERS,
        responses=documented_errors(422, 500, 503, 504),
        # a redirect to the URL with or without a trailing slash would repeat the Host header, which a client may forge
        redirect_slashes=False,
        openapi_url="/openapi.json" if settings.api_docs else None,
        # the name of a route becomes the name of a function in a client that is generated from the OpenAPI document
        generate_unique_id_function=lambda route: route.name,
        telemetry=telemetry(callers, traces),
    )
    # FastAPI tries routes in order, so each router delays all later routers: routers with the most requests come first.
    # {% if cookiecutter.example != "no" %}
    app.include_router(orders)
    # {% endif %}# {% if cookiecutter.example == "showcases" %}
    app.include_router(products)
    # {% endif %}# {% if cookiecutter.jobs == "yes" %}
    app.include_router(jobs)
    app.include_router(streams(settings, [JobEvents()]))
    # {% endif %}# {% if cookiecutter.jobs == "yes" and cookiecutter.example != "no" %}
    app.include_router(imports)
    # {% endif %}
    # yours below

    app.include_router(health)
    return app


def build_middleware(
    settings: Settings, plan: Plan, bulkheads: Mapping[str, Bulkhead], callers: TrustedCallers
) -> list[Middleware]:
    """Return the middleware of the application, outermost first."""
    route_groups = RouteGroups(settings.route_groups)
    sizes = {"max_bytes": settings.max_body_bytes, "max_json_bytes": settings.max_json_bytes}
    ahead = {"max_bytes": plan.max_bodies_bytes, "max_json_values": settings.max_json_values}
    return [
        Middleware(LingeringClose, seconds=10),
        Middleware(RequestId, callers=callers),
        Middleware(AccessLog, development=settings.development),
        *for_browsers(settings),
        Middleware(Deadline, limit=lambda scope: route_groups.group_of(scope).deadline_seconds, is_trusted=is_trusted),
        Middleware(BodyLimit, route_groups=route_groups, **sizes),
        Middleware(ReadAhead, bodies=bulkheads[BODIES], **ahead),
        Middleware(Admission, name_of=route_groups.of, bulkheads=bulkheads, after_response=bulkheads[AFTER_RESPONSE]),
        Middleware(CatchAll),
        # {% if cookiecutter.auth == "jwt" %}
        Middleware(Authentication, tokens=build_tokens(settings)),
        # {% endif %}
        Middleware(UnreadKey),
    ]


def telemetry(callers: TrustedCallers, traces: Traces | None) -> TelemetryConfig:
    """Return FastAPI's OpenTelemetry settings: one span per request, as spans of inner steps would double the cost.

    FastAPI calls `exclude` before it reads the trace headers of a request. The function excludes probes, and removes
    the trace headers of an untrusted caller. `logs` is off, as FastAPI would send the messages of exceptions.
    """
    off: TelemetryConfig = {"metrics": False, "logs": False, "auto_configure": False}
    if traces is None:
        return off | {"tracing": False}
    return off | {
        "tracer_provider": traces.provider,
        "operation_spans": False,
        "exclude": lambda scope: callers.drop_foreign_trace(scope) or scope["path"] in PROBES,
    }


try:
    app = create_app(load_settings(serving=True))
except CannotStart as error:
    raise SystemExit(f"The service cannot start: {error}") from None
if app.openapi_url:
    app.openapi()  # build the OpenAPI document now: otherwise the first request for it would block the event loop

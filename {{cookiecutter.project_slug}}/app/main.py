"""The composition root: middleware, error handlers, routers and the lifespan are put together here, and only here.

gunicorn and uvicorn load `app.main:app`; tests call `create_app` with settings of their own.
"""

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware

from app.capacity.plan import CapacityError, plan_for
from app.downstreams.registry import Transports, over_the_network
from app.families import Families
from app.health.routes import router as health
from app.lifespan import build_lifespan
from app.middleware.access_log import AccessLog
from app.middleware.admission import Admission, gates_for
from app.middleware.body_limit import BodyLimit
from app.middleware.catch_all import CatchAll
from app.middleware.deadline import Deadline
from app.middleware.linger import Linger
from app.middleware.request_id import RequestId
from app.observability import logs
from app.problems import HANDLERS, add_problem_schema, problems
from app.settings import Settings, load_settings

# isort: split
# {% if cookiecutter.example == "yes" %}
from app.orders.routes import router as orders

# {% endif %}
# yours below


def create_app(settings: Settings, transports: Transports = over_the_network) -> FastAPI:
    """Compose the application; nothing is opened before its lifespan starts.

    Args:
        settings: the configuration.
        transports: what calls to downstreams travel over; tests pass fakes.
    """
    logs.configure(level=settings.log_level, log_format=settings.log_format)
    families = Families(settings.families)
    gates = gates_for(families, plan_for(settings))
    app = FastAPI(
        title=settings.service_name,
        lifespan=build_lifespan(settings, transports, gates),
        middleware=[  # outermost first
            Middleware(Linger, seconds=10),
            Middleware(RequestId),
            Middleware(AccessLog),
            Middleware(Deadline, families=families),
            Middleware(Admission, families=families, gates=gates),
            Middleware(CatchAll),
            Middleware(BodyLimit, families=families, max_bytes=settings.max_body_bytes),
        ],
        exception_handlers=HANDLERS,
        responses=problems(400, 413, 415, 422, 500, 503),
        redirect_slashes=False,  # the address would be made of the Host header, which is whatever a client sends
        openapi_url="/openapi.json" if settings.api_docs else None,
        telemetry=telemetry(on=settings.telemetry),
    )
    add_problem_schema(app)
    # Routes are tried in turn, and each one costs every request that goes on to a later one: the busiest first.
    # yours below

    # {% if cookiecutter.example == "yes" %}
    app.include_router(orders)
    # {% endif %}
    app.include_router(health)
    return app


def telemetry(*, on: bool) -> TelemetryConfig:
    """Configure FastAPI's own OpenTelemetry: one span a request; spans for its inner steps would double the price."""
    return {"tracing": on, "metrics": on, "logs": on, "operation_spans": False}


try:
    app = create_app(load_settings())
except CapacityError as error:
    raise SystemExit(f"The service cannot start: {error}") from None

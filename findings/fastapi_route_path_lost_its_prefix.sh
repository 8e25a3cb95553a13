#!/usr/bin/env bash
# Versions: FastAPI 0.165.0, starlette 1.10.0, opentelemetry-sdk 1.45.1, opentelemetry-instrumentation-fastapi 0.66b1,
# httpx2 2.16.2. Python 3.11.
#
# Belief: `request.scope["route"].path` is the whole template of the route, "/v1/orders/{id}", which is why middlewares
# use it as the label of metrics and spans. The OpenTelemetryMiddleware that starlette 1.10 ships does so for
# `http.route`.
#
# Observed: FastAPI keeps included routers as they are since 0.137, instead of copying their routes. The prefix of
# `include_router` and the prefix of the outer router are then not in the path of the route, and the middleware of
# starlette names the span after that path: /v1/orders/{id} and /v2/orders/{id} are one "/orders/{id}", so their rates,
# errors and latencies are added up. There is no error, and a route of the application itself has its whole path.
# FastAPIInstrumentor of OpenTelemetry has the whole template.
#
# Output:
#   /health: scope["route"].path /health, starlette GET /health, FastAPIInstrumentor GET /health
#   /v1/orders/7: scope["route"].path /orders/{id}, starlette GET /orders/{id}, FastAPIInstrumentor GET /v1/orders/{id}
#   /v2/orders/7: scope["route"].path /orders/{id}, starlette GET /orders/{id}, FastAPIInstrumentor GET /v2/orders/{id}
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/routes.py" <<'PROGRAM'
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware


def an_app() -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    async def health(request: Request) -> str:
        return request.scope["route"].path

    for version in "v1", "v2":
        orders = APIRouter(prefix="/orders")

        @orders.get("/{id}")
        async def order(id: int, request: Request) -> str:
            return request.scope["route"].path

        app.include_router(orders, prefix=f"/{version}")
    return app


def traced(path: str, *, by_starlette: bool) -> tuple[str, str]:
    app, provider, exporter = an_app(), TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    if by_starlette:
        app.add_middleware(OpenTelemetryMiddleware, tracer_provider=provider)
    else:
        FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    in_the_route = TestClient(app).get(path).json()
    (span,) = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.SERVER]
    return in_the_route, span.name


for path in "/health", "/v1/orders/7", "/v2/orders/7":
    in_the_route, starlette = traced(path, by_starlette=True)
    _, instrumentor = traced(path, by_starlette=False)
    print(f'{path}: scope["route"].path {in_the_route}, starlette {starlette}, FastAPIInstrumentor {instrumentor}')
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check fastapi==0.165.0 starlette==1.10.0 \
    httpx2==2.16.2 opentelemetry-sdk==1.45.1 opentelemetry-instrumentation-fastapi==0.66b1
found=$("$folder/venv/bin/python" "$folder/routes.py")
echo "$found"
[[ $found == '/health: scope["route"].path /health, starlette GET /health, FastAPIInstrumentor GET /health
/v1/orders/7: scope["route"].path /orders/{id}, starlette GET /orders/{id}, FastAPIInstrumentor GET /v1/orders/{id}
/v2/orders/7: scope["route"].path /orders/{id}, starlette GET /orders/{id}, FastAPIInstrumentor GET /v2/orders/{id}' ]]

"""Applications that serve the read of an item with more and more layers of the service, from the service's own modules.

Each application is the application before with one more layer. A new layer is a new row in `compositions`, and a new
middleware is found automatically.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic_core import to_json
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.dependencies import ReadSession
from app.items import repository
from app.items.routes import ItemId
from app.items.schemas import ItemOut
from app.resources import Resources
from app.web.direct_route import DirectRoute
from app.web.handlers import HANDLERS
from baselines.raw_asgi import ONE

CONSTANT = ItemOut(
    id=7, name="Item", kind="tool", price_cents=7, in_stock=True, created_at=datetime(2026, 1, 1, tzinfo=UTC)
)
BODY = to_json(CONSTANT)
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


@dataclass(frozen=True, slots=True)
class Composition:
    """An application with some layers of a read, named after the outermost layer.

    `benchmarks.layer_reasons` has the reason for each layer.
    """

    name: str
    app: ASGIApp


async def constant(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Send a constant response without any layer, whose cost is that of measuring itself."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": BODY})


async def no_dependency(item_id: ItemId) -> ItemOut:
    """Validate the path parameter, and send a response from a Pydantic model, without the database."""
    del item_id
    return CONSTANT


async def session_unused(item_id: ItemId, session: ReadSession) -> ItemOut:
    """Depend on a database session without using the session, so that only the dependency's cost is added."""
    del item_id, session
    return CONSTANT


def driver_alone(pool: asyncpg.Pool) -> Callable[..., object]:
    """Return a route that depends on a database session, but runs the SQL statement through asyncpg itself."""

    async def read_item(item_id: ItemId, session: ReadSession) -> ItemOut:
        del session
        await pool.fetchrow(ONE, item_id)
        return CONSTANT

    return read_item


async def one_statement(item_id: ItemId, session: ReadSession) -> ItemOut:
    """Run the read's SQL statement through the session, drop the row, and return a constant."""
    await repository.find(session, item_id)
    return CONSTANT


async def row_to_answer(item_id: ItemId, session: ReadSession) -> ItemOut | None:
    """Run the read's SQL statement through the session, and respond with the row."""
    return await repository.find(session, item_id)


def routed(endpoint: Callable[..., object], resources: object, middleware: Sequence[Middleware] = ()) -> FastAPI:
    """Return an application with the given route and middleware, and with the service's error handlers."""
    app = FastAPI(exception_handlers=HANDLERS, middleware=list(middleware), openapi_url=None, telemetry=NO_TELEMETRY)
    app.router.route_class = DirectRoute
    app.get("/api/v1/items/{item_id}", response_model=ItemOut)(endpoint)
    app.state.resources = resources
    return app


def compositions(resources: Resources, driver: asyncpg.Pool, whole: FastAPI) -> list[Composition]:
    """Return all applications, from the application without any layer to the whole service."""
    return [
        Composition("the measuring itself", constant),
        Composition("FastAPI", routed(no_dependency, resources)),
        Composition("session dependency", routed(session_unused, resources)),
        Composition("asyncpg", routed(driver_alone(driver), resources)),
        Composition("Reader", routed(one_statement, resources)),
        Composition("row into the answer", routed(row_to_answer, resources)),
        *middleware_layers(resources, whole.user_middleware),
        Composition("the other routes", whole),
    ]


def middleware_layers(resources: Resources, middleware: Sequence[Middleware]) -> list[Composition]:
    """Return an application for each middleware that main.py adds, from the innermost outwards, found automatically."""
    return [
        Composition(
            getattr(middleware[place].cls, "__name__", ""), routed(row_to_answer, resources, middleware[place:])
        )
        for place in reversed(range(len(middleware)))
    ]

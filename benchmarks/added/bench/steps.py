"""The service's read of one item, put together layer by layer from the service's own modules.

Each step is a whole application that does what the one before does and one thing more. A layer more is a row more in
`steps`; a middleware is found by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.dependencies import ReadSession
from app.items import repository
from app.items.repository import ItemRow
from app.items.routes import ItemId
from app.items.schemas import ItemOut
from app.lifespan import Resources
from app.problems import HANDLERS
from app.reader import Reader
from rivals.raw import ONE

CONSTANT = ItemOut(
    id=7, name="Item", kind="tool", price_cents=7, in_stock=True, created_at=datetime(2026, 1, 1, tzinfo=UTC)
)
BODY = CONSTANT.model_dump_json().encode()
NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False}


@dataclass(frozen=True, slots=True)
class Step:
    """One layer more; its reason stands in the repository, in `benchmarks.reasons`."""

    name: str
    app: ASGIApp


async def constant(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer without looking: what the measuring itself costs."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": BODY})


async def no_dependency(item_id: ItemId) -> ItemOut:
    """Check the path parameter and write the answer from a model."""
    del item_id
    return CONSTANT


async def session_unused(item_id: ItemId, session: ReadSession) -> ItemOut:
    """Ask for a reader and leave it."""
    del item_id, session
    return CONSTANT


def driver_alone(pool: asyncpg.Pool) -> Callable[..., object]:
    """Return a route that asks for the reader, but runs the statement through asyncpg itself."""

    async def read_item(item_id: ItemId, session: ReadSession) -> ItemOut:
        del session
        await pool.fetchrow(ONE, item_id)
        return CONSTANT

    return read_item


async def one_statement(item_id: ItemId, session: ReadSession) -> ItemOut:
    """Run the statement and forget the row."""
    await repository.find(session, item_id)
    return CONSTANT


async def row_to_answer(item_id: ItemId, session: ReadSession) -> ItemRow | None:
    """Do it all."""
    return await repository.find(session, item_id)


def routed(endpoint: Callable[..., object], resources: object, middleware: Sequence[Middleware] = ()) -> FastAPI:
    """Return an application with this route, the service's error handlers, and this middleware."""
    app = FastAPI(exception_handlers=HANDLERS, middleware=list(middleware), openapi_url=None, telemetry=NO_TELEMETRY)
    app.get("/api/v1/items/{item_id}", response_model=ItemOut)(endpoint)
    app.state.resources = resources
    return app


@dataclass(frozen=True, slots=True)
class OwnPool:
    """Stands where `Resources` does, with SQLAlchemy's own pool behind it."""

    reader: Reader


def ungated(url: str) -> AsyncEngine:
    """Return an engine like the service's own, but with SQLAlchemy's pool as it is."""
    return create_async_engine(
        url, isolation_level="AUTOCOMMIT", max_overflow=0, pool_size=10, pool_timeout=1, hide_parameters=True
    )


def steps(resources: Resources, driver: asyncpg.Pool, plain: AsyncEngine, whole: FastAPI) -> list[Step]:
    """Return all steps, the lowest first."""
    return [
        Step("the measuring itself", constant),
        Step("FastAPI", routed(no_dependency, resources)),
        Step("session dependency", routed(session_unused, resources)),
        Step("asyncpg", routed(driver_alone(driver), resources)),
        Step("SQLAlchemy", routed(one_statement, OwnPool(Reader(plain)))),
        Step("gate of the pool", routed(one_statement, resources)),
        Step("row into the answer", routed(row_to_answer, resources)),
        *middleware_steps(resources, whole.user_middleware),
        Step("the other routes", whole),
    ]


def middleware_steps(resources: Resources, middleware: Sequence[Middleware]) -> list[Step]:
    """Return a step for each of main.py's middlewares, innermost first, so that a new one is found by itself."""
    return [
        Step(getattr(middleware[place].cls, "__name__", ""), routed(row_to_answer, resources, middleware[place:]))
        for place in reversed(range(len(middleware)))
    ]

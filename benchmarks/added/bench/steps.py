"""The service's read of one item, put together layer by layer from the service's own modules.

Each step is a whole application that does what the one before does and one thing more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from starlette.types import ASGIApp, Receive, Scope, Send

from app.dependencies import ReadSession
from app.items import repository
from app.items.repository import ItemRow
from app.items.routes import ItemId
from app.items.schemas import ItemOut
from app.lifespan import Resources
from app.middleware.access_log import AccessLog
from app.middleware.body_limit import BodyLimit
from app.middleware.catch_all import CatchAll
from app.middleware.request_id import RequestId
from app.problems import HANDLERS
from app.reader import Reader

CONSTANT = ItemOut(
    id=7, name="Item", kind="tool", price_cents=7, in_stock=True, created_at=datetime(2026, 1, 1, tzinfo=UTC)
)
BODY = CONSTANT.model_dump_json().encode()
MAX_BODY_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Step:
    """One layer more."""

    name: str
    reason: str
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


async def one_statement(item_id: ItemId, session: ReadSession) -> ItemOut:
    """Run the statement and forget the row."""
    await repository.find(session, item_id)
    return CONSTANT


async def row_to_answer(item_id: ItemId, session: ReadSession) -> ItemRow | None:
    """Do it all."""
    return await repository.find(session, item_id)


def routed(endpoint: Callable[..., object], resources: object) -> FastAPI:
    """Return an application with this route and the service's error handlers."""
    app = FastAPI(exception_handlers=HANDLERS, openapi_url=None)
    app.get("/api/v1/items/{item_id}", response_model=ItemOut)(endpoint)
    app.state.resources = resources
    return app


@dataclass(frozen=True, slots=True)
class OwnPool:
    """Stands where `Resources` does, with SQLAlchemy's own pool behind it."""

    reader: Reader


def ungated(url: str) -> AsyncEngine:
    """Return an engine whose pool has no gate."""
    return create_async_engine(url, max_overflow=0, pool_size=10, hide_parameters=True)


def steps(resources: Resources, plain: AsyncEngine, whole: ASGIApp) -> list[Step]:
    """Return all steps, the lowest first."""
    own_pool = OwnPool(Reader(plain))
    found = [
        Step("the measuring itself", "", constant),
        Step("FastAPI", "routing, the path parameter, the answer from a model", routed(no_dependency, resources)),
        Step("session dependency", "what a route reads through", routed(session_unused, resources)),
        Step("one statement", "SQLAlchemy, asyncpg and one round trip", routed(one_statement, own_pool)),
        Step("gate of the pool", "first come, first served; a bounded queue", routed(one_statement, resources)),
        Step("row into the answer", "the answer has only what the schema names", routed(row_to_answer, resources)),
    ]
    top: ASGIApp = found[-1].app
    for name, (reason, wrap) in MIDDLEWARE.items():
        top = wrap(top)
        found.append(Step(name, reason, top))
    return [*found, Step("the other routes", "they are tried first", whole)]


MIDDLEWARE: Mapping[str, tuple[str, Callable[[ASGIApp], ASGIApp]]] = {
    "body limit": ("a body without bound takes all memory", lambda app: BodyLimit(app, MAX_BODY_BYTES)),
    "catch-all": ("a bug answers, and the connection stays", CatchAll),
    "access log": ("one line for each request", AccessLog),
    "request id": ("lines and answers that belong together", RequestId),
}
"""Innermost first, as they stand in main.py from bottom to top."""

"""The service with routes that wait, cache and write, and a route that makes this process's wall clock jump."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Annotated

from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, HttpUrl
from sqlalchemy import text

from app.dependencies import IdempotentDep, ReadSession, WriteSession
from app.downstreams.client import Client
from app.downstreams.downstream import Downstream
from app.main import create_app
from app.settings.downstreams import DownstreamSettings
from app.settings.load import load_settings

app = create_app(load_settings())
opened: list[Downstream] = []
"""The downstream that the routes call, in a list of one element: the app's lifespan adds the downstream."""
service_lifespan = app.router.lifespan_context

CACHE_SECONDS = OPEN_SECONDS = 2.0
"""The lifetime of a cache entry and of an open circuit breaker, in seconds: a hundred times the time of the three
requests that a test sends within this lifetime."""

READ = text("SELECT * FROM scratch_rows")
INSERT = text("INSERT INTO scratch_rows VALUES (1) RETURNING *")
SLEEP = text("SELECT 1 FROM pg_sleep(:seconds)")
NEXT_NUMBER = text("SELECT nextval('scratch_numbers')")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open a downstream with a short cache, and with a circuit breaker that opens early and for a short time."""
    settings = DownstreamSettings(
        base_url=HttpUrl(f"http://127.0.0.1:{os.environ['DOWNSTREAM_PORT']}"),
        cache_seconds=CACHE_SECONDS,
        cache_stale_seconds=0,
        breaker_min_calls=5,
        breaker_open_seconds=OPEN_SECONDS,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service_lifespan(app))
        client = await stack.enter_async_context(Client("downstream", settings))
        opened.append(Downstream("downstream", client, settings))
        yield


app.router.lifespan_context = lifespan


class Number(BaseModel):
    """A response with the next number of a sequence: only a replayed response repeats a number."""

    number: int


@app.post("/jump")
async def jump(seconds: float) -> float:
    """Move this process's wall clock by `seconds`, and return the time after the jump."""
    import_module("sitecustomize").wall_clock.jump(seconds)
    return datetime.now(UTC).timestamp()


@app.get("/wait")
async def wait(seconds: Annotated[float, Query(ge=0, le=10)]) -> None:
    """Respond after `seconds`, without a database connection: only the deadline can end the request."""
    await asyncio.sleep(seconds)


@app.get("/hold")
async def hold(session: ReadSession, seconds: Annotated[float, Query(ge=0, le=10)]) -> int:
    """Respond after a query of `seconds`, which holds a database connection while other requests wait in the queue."""
    found: int = await session.scalar(SLEEP, {"seconds": seconds})
    return found


@app.get("/rows")
async def read_rows(session: ReadSession) -> int:
    """Read all columns of the table `scratch_rows`, whose column type a test changes."""
    return len((await session.execute(READ)).all())


@app.post("/rows")
async def add_row(session: WriteSession) -> int:
    """Insert a row into the table `scratch_rows`, and return the number of inserted rows."""
    return len((await session.execute(INSERT)).all())


@app.get("/downstream")
async def call_downstream(item: str) -> int:
    """Return the downstream's response for an item, from the cache while the entry is fresh."""
    answer: int = await opened[0].get_json(item)
    return answer


@app.post("/numbers", response_model=Number)
async def next_number(session: WriteSession, idempotent: IdempotentDep) -> Response:
    """Return the next number of a sequence, or the number that the first request with the same Idempotency-Key got."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    return await idempotent.answer(session, Number(number=await session.scalar(NEXT_NUMBER)), status=200, headers={})

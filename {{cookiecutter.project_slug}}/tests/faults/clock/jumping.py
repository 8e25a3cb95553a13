"""The service with routes that wait, keep and write, and one that lets the wall clock of the process jump."""

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

from app.dependencies import OnceDep, ReadSession, WriteSession
from app.downstreams.client import Client
from app.downstreams.downstream import Downstream
from app.downstreams.settings import DownstreamSettings
from app.main import create_app
from app.settings import load_settings

app = create_app(load_settings())
opened: list[Downstream] = []
whole = app.router.lifespan_context

STORED = text("SELECT * FROM scratch_rows")
STORE = text("INSERT INTO scratch_rows VALUES (1) RETURNING *")
SLEEP = text("SELECT 1 FROM pg_sleep(:seconds)")
COUNT = text("SELECT nextval('scratch_numbers')")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open a neighbour whose answers are kept for a second, and whose breaker opens soon and for as long."""
    settings = DownstreamSettings(
        base_url=HttpUrl(f"http://127.0.0.1:{os.environ['NEIGHBOUR']}"),
        cache_seconds=1.0,
        cache_stale_seconds=0,
        breaker_calls=5,
        breaker_open_seconds=1.0,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(whole(app))
        opened.append(Downstream("neighbour", await stack.enter_async_context(Client("neighbour", settings)), settings))
        yield


app.router.lifespan_context = lifespan


class Number(BaseModel):
    """A number that nobody had before."""

    number: int


@app.post("/jump")
async def jump(seconds: float) -> float:
    """Let the clock jump, and tell what time it is then."""
    import_module("sitecustomize").wall.jump(seconds)
    return datetime.now(UTC).timestamp()


@app.get("/wait")
async def wait(seconds: Annotated[float, Query(ge=0, le=10)]) -> None:
    """Answer after this time."""
    await asyncio.sleep(seconds)


@app.get("/hold")
async def hold(session: ReadSession, seconds: Annotated[float, Query(ge=0, le=2)]) -> int:
    """Keep a connection for this time."""
    found: int = await session.scalar(SLEEP, {"seconds": seconds})
    return found


@app.get("/rows")
async def rows(session: ReadSession) -> int:
    """Read all columns, whatever they are."""
    return len((await session.execute(STORED)).all())


@app.post("/rows")
async def store(session: WriteSession) -> int:
    """Write one, and get all columns back."""
    return len((await session.execute(STORE)).all())


@app.get("/ask")
async def ask(thing: str) -> int:
    """Ask the neighbour."""
    answer: int = await opened[0].get_json(thing)
    return answer


@app.post("/numbers", response_model=Number)
async def number(session: WriteSession, once: OnceDep) -> Response:
    """Give a number, the same one for the same key."""
    if (answered := await once.answered(session)) is not None:
        return answered
    return await once.answer(session, Number(number=await session.scalar(COUNT)), status=200, headers={})

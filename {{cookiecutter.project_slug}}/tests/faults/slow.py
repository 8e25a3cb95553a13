"""The service with routes that keep a connection busy for a known time; tests run it under gunicorn."""

import asyncio
from typing import Annotated

from fastapi import Query, Request
from sqlalchemy import text

from app.dependencies import ReadSession, WriteSession
from app.main import create_app
from app.settings import load_settings

app = create_app(load_settings())

SLEEP = text("SELECT 1 FROM pg_sleep(:seconds)")


@app.get("/slow")
async def slow(session: ReadSession, seconds: Annotated[float, Query(ge=0, le=10)] = 0.05) -> int:
    """Answer after this time."""
    found: int = await session.scalar(SLEEP, {"seconds": seconds})
    return found


@app.post("/slow")
async def slow_write(session: WriteSession, seconds: Annotated[float, Query(ge=0, le=10)] = 0.05) -> int:
    """Do the same in a transaction that may write."""
    found: int = await session.scalar(SLEEP, {"seconds": seconds})
    return found


@app.get("/wait")
async def wait(seconds: Annotated[float, Query(ge=0, le=10)] = 0.5) -> None:
    """Answer after this time, without a connection."""
    await asyncio.sleep(seconds)


@app.post("/body")
async def read(request: Request) -> int:
    """Read the whole body, and tell its length."""
    return len(await request.body())


@app.get("/caller")
async def caller(request: Request) -> list[str]:
    """Tell who seems to ask, and for which address."""
    return [request.client.host if request.client else "", request.url.scheme]

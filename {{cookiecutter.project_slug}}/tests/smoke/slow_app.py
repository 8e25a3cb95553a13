"""The service with routes that take as long as a request asks for; tests run the app under gunicorn."""

import asyncio
from typing import Annotated

from fastapi import Query, Request
from sqlalchemy import text

from app.dependencies import ReadSession, WriteSession
from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())

SLEEP = text("SELECT 1 FROM pg_sleep(:seconds)")


@app.get("/slow")
async def slow(session: ReadSession, seconds: Annotated[float, Query(ge=0, le=10)] = 0.05) -> int:
    """Respond after a query of `seconds`, which holds a database connection."""
    found: int = await session.scalar(SLEEP, {"seconds": seconds})
    return found


@app.post("/slow")
async def slow_write(session: WriteSession, seconds: Annotated[float, Query(ge=0, le=10)] = 0.05) -> int:
    """Respond after a query of `seconds` in a write transaction, which is not retried after a broken connection."""
    found: int = await session.scalar(SLEEP, {"seconds": seconds})
    return found


@app.get("/wait")
async def wait(seconds: Annotated[float, Query(ge=0, le=10)] = 0.5) -> None:
    """Respond after `seconds` without a database connection, so that only bulkheads bound the requests."""
    await asyncio.sleep(seconds)


@app.post("/body")
async def read(request: Request) -> int:
    """Read the whole request body, and return the number of bytes."""
    return len(await request.body())


@app.get("/caller")
async def caller(request: Request) -> list[str]:
    """Return the client's address and the URL scheme, taken from headers of trusted proxies only."""
    return [request.client.host if request.client else "", request.url.scheme]

"""The service with one more route, whose answer never ends; a test of the shutdown starts it under gunicorn."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.responses import StreamingResponse

from app.main import create_app
from app.settings import load_settings

app = create_app(load_settings())


async def ticks() -> AsyncGenerator[bytes]:
    """Say for ever whether the process drains."""
    while True:
        yield b"draining\n" if app.state.resources.readiness.draining else b"serving\n"
        await asyncio.sleep(0.05)


@app.get("/endless")
async def endless() -> StreamingResponse:
    """Answer without an end."""
    return StreamingResponse(ticks())

"""The service with a route whose response never ends, for which a graceful shutdown must not wait."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.responses import StreamingResponse

from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())


async def ticks() -> AsyncGenerator[bytes]:
    """Yield `draining` or `serving` every 50 ms, endlessly: the response shows when the drain begins."""
    while True:
        yield b"draining\n" if app.state.resources.readiness.draining else b"serving\n"
        await asyncio.sleep(0.05)


@app.get("/endless")
async def endless() -> StreamingResponse:
    """Return a response that streams the state of the process and never ends."""
    return StreamingResponse(ticks())

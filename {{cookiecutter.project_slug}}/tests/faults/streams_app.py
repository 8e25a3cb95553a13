"""The service with streams that fail after they have started; tests run the app under gunicorn."""

import asyncio
from collections.abc import AsyncGenerator

from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel

from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())


class Part(BaseModel):
    """An event or a line of a stream; a title that is not a text fails validation."""

    title: str


@app.get("/bytes")
async def stream_bytes() -> StreamingResponse:
    """Send two parts of a stream of bytes, then raise an exception."""

    async def parts() -> AsyncGenerator[bytes]:
        for part in (b"first", b"second"):
            yield part
            await asyncio.sleep(0.01)
        raise RuntimeError("secret internals")

    return StreamingResponse(parts())


@app.get("/events", response_class=EventSourceResponse)
async def stream_events(reason: str) -> AsyncGenerator[Part]:
    """Send two server-sent events, then fail for `reason`."""
    async for item in parts_until(reason):
        yield item


@app.get("/lines")
async def stream_lines(reason: str) -> AsyncGenerator[Part]:
    """Send two JSON lines, then fail for `reason`."""
    async for item in parts_until(reason):
        yield item


async def parts_until(reason: str) -> AsyncGenerator[Part]:
    """Yield two items, then fail: by an exception, by a framework error, or by an invalid item."""
    for title in ("first", "second"):
        yield Part(title=title)
        await asyncio.sleep(0.01)
    if reason == "exception":
        raise RuntimeError("secret internals")
    if reason == "not found":
        raise HTTPException(404)
    if reason == "invalid":
        yield {"title": None}  # type: ignore[misc] # an item that is not valid
    await asyncio.sleep(0.01)

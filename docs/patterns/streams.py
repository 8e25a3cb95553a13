"""A stream that ends honestly: the last event tells a client whether all events have come."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

import httpx
from app.errors import Unavailable
from app.streams.honest import honest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

app = FastAPI()


async def progress(away: bool) -> AsyncGenerator[ServerSentEvent]:
    yield ServerSentEvent(event="progress", data=1, id="1")
    if away:
        raise Unavailable("The worker is away.")


@app.get("/events", response_class=EventSourceResponse)
async def stream(away: bool) -> AsyncIterable[ServerSentEvent]:
    async for event in honest(progress(away)):
        yield event


for away, last in ((False, "event: complete"), (True, "event: error")):
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service")
    text = asyncio.run(client.get("/events", params={"away": away})).text
    assert text.split("\n\n")[-2].startswith(last), text

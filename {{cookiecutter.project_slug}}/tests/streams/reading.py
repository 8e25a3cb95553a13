"""A client of server-sent events that reads as a browser does."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tests.http_client import httpx

PATIENCE_SECONDS = 60
"""The longest wait for the next byte of a stream, in seconds: four times FastAPI's ping interval, for a busy machine.
"""

LIFE_SECONDS = 90
"""The longest time that a test reads a stream, in seconds: pings keep a stream open even if its event never comes."""

COUNTERS = "--pythonpath=tests/streams", "counters_app:app"
"""The arguments of gunicorn for the service with the stream topic `counters`."""


def path_of(counter: str) -> str:
    """Return the path of a counter's event stream."""
    return f"/api/v1/counters/{counter}/events"


def websocket_of(url: str) -> str:
    """Return the URL of the WebSocket that serves streams."""
    return url.replace("http", "ws", 1) + "/api/v1/events/ws"


@dataclass(frozen=True, slots=True)
class Seen:
    """A server-sent event, as received by the client."""

    name: str
    data: Any
    id: str | None = None
    retry: int | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """An open stream of server-sent events."""

    response: httpx.Response

    async def __aiter__(self) -> AsyncGenerator[Seen]:
        """Yield the events; comments, such as pings, are skipped as in a browser."""
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            elif line == "" and "data" in fields:
                yield Seen(
                    fields.get("event", "message"),
                    orjson.loads(fields["data"]),
                    fields.get("id"),
                    int(fields["retry"]) if "retry" in fields else None,
                )
                fields = {}
            elif line == "":
                fields = {}

    async def rest(self) -> list[Seen]:
        """Return all events until the end of the stream."""
        return [event async for event in self]


@asynccontextmanager
async def streaming(url: str, path: str, last_event_id: str | None = None) -> AsyncGenerator[Stream]:
    """Open an event stream; an error response fails the test with its text."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with (
        asyncio.timeout(LIFE_SECONDS),
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS, verify=False) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        yield Stream(response)

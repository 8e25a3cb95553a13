"""Server-sent events: the generators of the two streams, of one object and of all objects of an owner."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.routing import APIRoute
from fastapi.sse import ServerSentEvent
from starlette.types import Message, Receive, Scope, Send

from app.streams.honest import Reconnect
from app.streams.hub import Hub
from app.streams.source import Change
from app.streams.subscription import Item, Reason, Subscription

RETRY_MILLISECONDS = 500, 3000
"""The shortest and the longest pause before a client comes back: all clients of a process would else come at once."""

SEND_SECONDS = 20.0
"""The longest time that a client may take to read what fills the buffers, in seconds; then the stream is cut off."""

log = structlog.get_logger("streams")


async def events_of_one(subscription: Subscription, found: Change) -> AsyncGenerator[ServerSentEvent]:
    """Yield the states of one object, until the state is final.

    Args:
        subscription: follows the object.
        found: the state at the start, which waits in the subscription unless the client has it.

    Raises:
        Reconnect: the client is to come back.
    """
    yield ServerSentEvent(comment="open", retry=retry_milliseconds())
    is_over = found.is_final and subscription.is_empty
    while not is_over:
        item = await subscription.next()
        yield event_of(item, item.sequence if isinstance(item, Change) else None)
        is_over = isinstance(item, Change) and item.is_final


async def events_of_all(subscription: Subscription, hub: Hub) -> AsyncGenerator[ServerSentEvent]:
    """Yield the states of all objects of an owner, without an end.

    Raises:
        Reconnect: the client is to come back.
    """
    yield ServerSentEvent(comment="open", retry=retry_milliseconds())
    while True:
        resume_after = hub.resume_after
        item = await subscription.next()
        yield event_of(item, resume_after)


def event_of(item: Item, resume_after: int | None) -> ServerSentEvent:
    """Return the event of a change; `resume_after` comes back as Last-Event-ID.

    Raises:
        Reconnect: the item is the reason for the end of the subscription.
    """
    if isinstance(item, Reason):
        raise Reconnect(item, retry_milliseconds())
    if not isinstance(item, Change):
        return ServerSentEvent(event="resync", data={})
    resume = None if resume_after is None else str(resume_after)
    return ServerSentEvent(event=item.topic.partition(":")[0], raw_data=item.data, id=resume)


def retry_milliseconds() -> int:
    """Return after how many milliseconds a client is to come back, by chance."""
    return random.randint(*RETRY_MILLISECONDS)  # noqa: S311 - no secret


class StreamRoute(APIRoute):
    """The route of a stream, which is cut off when the client takes too long to read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, with a time limit on each part of its response."""
        handle = super().get_route_handler()

        async def handle_with_limit(request: Request) -> TimedResponse:
            return TimedResponse(await handle(request))

        return handle_with_limit


class TimedResponse(Response):
    """A response whose client is taken for gone when a part of the response cannot be sent in time."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; `receive` tells of a client that has left, or that reads too slowly."""
        limit = asyncio.timeout(None)

        async def receive_in_time() -> Message:
            nonlocal limit
            limit = asyncio.timeout(None)
            try:
                async with limit:
                    return await receive()
            except TimeoutError:
                log.info("stream of a slow client cut off", seconds=SEND_SECONDS)
                return {"type": "http.disconnect"}

        async def send_in_time(message: Message) -> None:
            timer = asyncio.get_running_loop().call_later(SEND_SECONDS, lambda: _expire(limit))
            try:
                await send(message)
            finally:
                timer.cancel()

        await self.response(scope, receive_in_time, send_in_time)


def _expire(limit: asyncio.Timeout) -> None:
    """End the wait for the client; a wait that has ended already cannot be changed."""
    with suppress(RuntimeError):
        limit.reschedule(0)

"""Server-sent events: sends the events of a subscription, and ends the stream of a client that reads too slowly."""

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
from app.streams.subscription import Reason, Subscription

RETRY_MILLISECONDS = 500, 3000
"""The shortest and the longest pause before a client reconnects, in milliseconds. The pause is random, so that not all
clients of a process come back at the same moment."""

SEND_SECONDS = 20.0
"""The longest time, in seconds, that a client may take to read a part of a stream; then the stream ends."""

log = structlog.get_logger("streams")


async def events_of(
    subscription: Subscription, hub: Hub, found: Change | None = None
) -> AsyncGenerator[ServerSentEvent]:
    """Yield the events of a subscription: of one object until a final state, or of all objects without an end.

    Args:
        subscription: follows one object, or all objects of an owner.
        hub: has the sequence number after which a reconnecting client gets all changes.
        found: the state of the one object at the start, None for all objects. If the client does not have this state,
            it waits in the subscription.

    Raises:
        Reconnect: the stream ends, and the client is to reconnect.
    """
    yield ServerSentEvent(comment="open", retry=retry_milliseconds())
    is_over = found is not None and found.is_final and subscription.is_empty
    while not is_over:
        resume_after = hub.resume_after
        item = await subscription.next()
        if isinstance(item, Reason):
            raise Reconnect(item, retry_milliseconds())
        if not isinstance(item, Change):
            yield ServerSentEvent(event="resync", data={})
            continue
        number = resume_after if found is None else item.sequence
        name = item.topic.partition(":")[0]
        yield ServerSentEvent(event=name, raw_data=item.data, id=None if number is None else str(number))
        is_over = found is not None and item.is_final


def retry_milliseconds() -> int:
    """Return a random number of milliseconds after which a client is to reconnect."""
    return random.randint(*RETRY_MILLISECONDS)  # noqa: S311 - a random pause is no secret


class StreamRoute(APIRoute):
    """A route of a stream: ends the stream when the client takes too long to read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler of the route, with a time limit on the sending of each part of the response."""
        handle = super().get_route_handler()

        async def handle_with_limit(request: Request) -> TimedResponse:
            return TimedResponse(await handle(request))

        return handle_with_limit


class TimedResponse(Response):
    """A streaming response that ends when the client does not read a part of the stream within SEND_SECONDS."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the whole response, unless the client disconnects or reads too slowly.

        Starlette watches for a disconnect in `receive`; a client that reads too slowly looks like a disconnect there.
        """
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
    """End the wait in `receive`, as the client reads too slowly; do nothing if the wait has ended already."""
    with suppress(RuntimeError):
        limit.reschedule(0)

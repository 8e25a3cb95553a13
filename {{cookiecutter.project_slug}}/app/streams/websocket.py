"""The WebSocket of the streams: a client subscribes to objects, and gets the events of these objects.

A client may send messages and get events at any moment, so each WebSocket has three tasks: to read messages, to handle
messages, and to send events. If a single task read and handled messages, reading would stop while a message is handled:
uvicorn would then see no pong, and cut off a healthy client.
"""

import asyncio
from urllib.parse import urlsplit

import structlog
from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers

from app.errors import Conflict, ServiceError
from app.settings.browsers import words
from app.streams.hub import Hub
from app.streams.messages import EVERYTHING, Message, Reply, event_text
from app.streams.source import Change
from app.streams.subscription import MAX_WAITING, Reason, Subscription

MAX_TOPICS = 64
"""The most objects that one WebSocket may follow; for more objects, a client follows all objects of its owner."""

PROTOCOL = "events"
"""The WebSocket subprotocol that the service accepts. A browser can send an access token only among the subprotocols
that it offers, and it closes the WebSocket if the service accepts no subprotocol."""

SEND_SECONDS = 10.0
"""The longest time, in seconds, that a client may take to read one message before the WebSocket ends."""

CLOSE_CODES = {
    Reason.RESTARTING: 1012,
    Reason.MAX_AGE: 1001,
    Reason.TOO_SLOW: 1013,
    Reason.TOO_MANY_MESSAGES: 1008,
    Reason.TOKEN_EXPIRED: 3000,
}
"""The code in the close frame of a WebSocket, by the reason for the end; the text in the frame is the reason."""

log = structlog.get_logger("streams")


class ForeignOrigin(ServiceError, status=403, code="foreign_origin"):
    """Raised when a page of a different site opens a WebSocket, with which a browser sends a visitor's cookies."""


def refuse_foreign_origin(headers: Headers, allowed: str) -> None:
    """Refuse a WebSocket handshake from a page of a different site; a client that is no browser sends no Origin header.

    Args:
        headers: the headers of the handshake.
        allowed: further origins, such as `https://app.example.com`, separated by commas.

    Raises:
        ForeignOrigin: the origin is neither the service's own nor an allowed origin.
    """
    origin = headers.get("origin")
    if origin is None or origin in words(allowed):
        return
    if urlsplit(origin).netloc != headers.get("host"):
        raise ForeignOrigin("Pages of this origin may not open a WebSocket here.")


async def converse(websocket: WebSocket, hub: Hub, subscription: Subscription) -> None:
    """Accept a WebSocket, and serve its client until the client or the service ends the WebSocket."""
    await websocket.accept(PROTOCOL if PROTOCOL in websocket.scope.get("subprotocols", ()) else None)
    inbox: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(read(websocket, inbox, subscription)),
            tasks.create_task(handle(inbox, hub, subscription)),
        ]
        await send(websocket, hub, subscription)
        for task in running:
            task.cancel()


async def read(websocket: WebSocket, inbox: asyncio.Queue[str], subscription: Subscription) -> None:
    """Put the client's messages into `inbox` as they arrive, until the client disconnects or sends too many at once."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            subscription.end(Reason.GONE)
            return
        if inbox.full():
            subscription.end(Reason.TOO_MANY_MESSAGES)
            return
        inbox.put_nowait(message.get("text") or "")


async def handle(inbox: asyncio.Queue[str], hub: Hub, subscription: Subscription) -> None:
    """Answer the client's messages, in the order of arrival."""
    while True:
        text = await inbox.get()
        try:
            message = Message.model_validate_json(text)
        except ValidationError:
            detail = "A message is a JSON object with `type`: subscribe, unsubscribe or ping."
            subscription.reply(Reply(type="error", code="invalid_message", detail=detail))
        else:
            subscription.reply(await answer(message, hub, subscription))


async def answer(message: Message, hub: Hub, subscription: Subscription) -> Reply:
    """Do what a client's message asks, subscribe, unsubscribe or ping, and return the answer."""
    if message.type == "ping":
        return Reply(type="pong")
    if message.type == "unsubscribe":
        subscription.topics.discard(message.topic)
        subscription.is_for_all = subscription.is_for_all and message.topic != EVERYTHING
        return Reply(type="unsubscribed", topic=message.topic)
    if len(subscription.topics) >= MAX_TOPICS and message.topic != EVERYTHING:
        detail = f"A WebSocket follows {MAX_TOPICS} objects at most; the topic `*` is all objects."
        return Reply(type="error", topic=message.topic, code=Conflict.code, detail=detail)
    try:
        if message.topic == EVERYTHING:
            await hub.follow_all(subscription, message.after)
        else:
            await hub.follow(subscription, message.topic, message.after)
    except ServiceError as error:
        return Reply(type="error", topic=message.topic, code=error.code, detail=error.detail)
    except Exception:
        log.exception("subscription of a WebSocket client failed", topic=message.topic)
        return Reply(type="error", topic=message.topic, code=ServiceError.code, detail="The service failed.")
    return Reply(type="subscribed", topic=message.topic)


async def send(websocket: WebSocket, hub: Hub, subscription: Subscription) -> None:
    """Send events and answers until the subscription ends, the client disconnects, or the client reads too slowly."""
    try:
        while True:
            resume_after = hub.resume_after
            item = await subscription.next()
            async with asyncio.timeout(SEND_SECONDS):
                if item is Reason.GONE:
                    return
                if isinstance(item, Reason):
                    await websocket.close(CLOSE_CODES[item], item)
                    return
                await websocket.send_text(text_of(item, resume_after, subscription))
    except TimeoutError:
        log.info("slow client of a WebSocket cut off", seconds=SEND_SECONDS)
    except WebSocketDisconnect:
        pass


def text_of(item: Change | BaseModel, resume_after: int | None, subscription: Subscription) -> str:
    """Return the JSON of an event, or of an answer to a client's message."""
    if isinstance(item, Change):
        return event_text(item, item.sequence if item.topic in subscription.topics else resume_after)
    return item.model_dump_json(exclude_none=True)

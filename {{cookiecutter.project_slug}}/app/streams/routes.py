"""The routes of SSE streams and of the WebSocket. Dependencies check a request before the first event is sent."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, WebSocket
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.dependencies import STRICT, ResourcesDep
from app.request.principal import PrincipalDep, needs
from app.settings.service import Settings
from app.streams.honest import honest
from app.streams.lifespan import HubDep, build_lifespan
from app.streams.page import PATH, show_page
from app.streams.source import Change, Source
from app.streams.sse import StreamRoute, events_of
from app.streams.subscription import Subscription
from app.streams.websocket import converse, refuse_foreign_origin
from app.web.openapi import documented_errors

router = APIRouter(prefix="/api/v1", tags=["streams"], route_class=StreamRoute)

LastEventId = Annotated[int | None, Header(ge=0, lt=2**63, description="The `id` of the last event that came.")]


async def follow_all(
    hub: HubDep, principal: PrincipalDep, last_event_id: LastEventId = None
) -> AsyncGenerator[Subscription]:
    """Yield a subscription to all objects of the owner, with the changes that the client missed."""
    with hub.subscription(principal) as subscription:
        await hub.follow_all(subscription, last_event_id)
        yield subscription


@router.get("/events", response_class=EventSourceResponse, responses=documented_errors(429), dependencies=STRICT)
async def stream_events(
    subscription: Annotated[Subscription, Depends(follow_all)], hub: HubDep
) -> AsyncIterable[ServerSentEvent]:
    """Stream the changes of all objects of the owner; the event `resync` asks the client to reload its data."""
    async for event in honest(events_of(subscription, hub)):
        yield event


async def open_subscription(
    websocket: WebSocket, hub: HubDep, principal: PrincipalDep, resources: ResourcesDep
) -> AsyncGenerator[Subscription]:
    """Check the origin and the principal before the WebSocket is accepted, and yield an empty subscription."""
    refuse_foreign_origin(websocket.headers, resources.plan.streams.origins)
    with hub.subscription(principal) as subscription:
        yield subscription


@router.websocket("/events/ws")
async def talk(
    websocket: WebSocket, subscription: Annotated[Subscription, Depends(open_subscription)], hub: HubDep
) -> None:
    """Serve a WebSocket whose client sends `subscribe`, `unsubscribe` and `ping`; see `messages.py`."""
    await converse(websocket, hub, subscription)


def follow_one(topic: str) -> Callable[..., Any]:
    """Return the dependency that opens a subscription to one object of a topic."""

    async def follow(
        hub: HubDep,
        principal: PrincipalDep,
        wanted: Annotated[str, Path(alias="id", max_length=64)],
        last_event_id: LastEventId = None,
    ) -> AsyncGenerator[tuple[Subscription, Change]]:
        with hub.subscription(principal) as subscription:
            yield subscription, await hub.follow(subscription, f"{topic}:{wanted}", last_event_id)

    return follow


def stream_one(topic: str) -> Callable[..., AsyncIterable[ServerSentEvent]]:
    """Return the endpoint that streams the changes of one object of a topic."""

    async def stream(
        following: Annotated[tuple[Subscription, Change], Depends(follow_one(topic))], hub: HubDep
    ) -> AsyncIterable[ServerSentEvent]:
        """Stream the changes of one object, until its final state; the last event says how the stream ended."""
        async for event in honest(events_of(following[0], hub, following[1])):
            yield event

    return stream


def add_stream(router: APIRouter, topic: str) -> None:
    """Add the route `/api/v1/<topic>/{id}/events`, which streams the changes of one object, to a router."""
    router.add_api_route(
        f"/api/v1/{topic}" + "/{id}/events",
        stream_one(topic),
        name=f"stream_{topic}",
        tags=["streams"],
        response_class=EventSourceResponse,
        responses=documented_errors(404, 429),
        dependencies=[*STRICT, needs(f"{topic}:read")],
    )


def build_router(settings: Settings, sources: Sequence[Source]) -> APIRouter:
    """Return the router with the stream of all objects, the WebSocket, and for each source the stream of one object.

    A stream needs the scope for reading its topic, such as `jobs:read`; the stream of all objects needs the scope of
    each topic.
    """
    whole = APIRouter(lifespan=build_lifespan(settings, sources), route_class=StreamRoute)
    whole.include_router(router, dependencies=[needs(*(f"{source.topic}:read" for source in sources))])
    for source in sources:
        add_stream(whole, source.topic)
    if settings.development:
        whole.add_api_route(PATH, show_page, include_in_schema=False)
    return whole

"""Tests of server-sent events on a real Valkey, behind a real server: the recipe, and what the tutorials' code does."""

import asyncio
import os
from contextlib import AsyncExitStack

import events
import httpx
import pytest
from edges import eventually, served, tutorial
from fastapi import FastAPI
from fastapi.sse import ServerSentEvent
from redis.asyncio import Redis

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("valkey")]

CLIENTS = 30


async def subscribed() -> int:
    """Return the number of connections to Valkey that have subscribed."""
    async with Redis.from_url(os.environ["VALKEY_URL"]) as admin:
        return len(await admin.client_list("pubsub"))


async def publish(text: str) -> None:
    async with Redis.from_url(os.environ["VALKEY_URL"]) as admin:
        await admin.publish("prices", text)


async def listening(app: FastAPI, stack: AsyncExitStack, count: int) -> list[httpx.Response]:
    """Serve an app, and open some streams of events."""
    address = await stack.enter_async_context(served(app))
    client = await stack.enter_async_context(httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=None)))
    return [await stack.enter_async_context(client.stream("GET", f"{address}/prices")) for _ in range(count)]


async def events_of(stream: httpx.Response, count: int) -> list[str]:
    """Read some events from a stream, and return their data."""
    found: list[str] = []
    async for line in stream.aiter_lines():
        found += [line.removeprefix("data: ")] if line.startswith("data:") else []
        if len(found) == count:
            break
    return found


async def test_all_clients_of_a_process_have_one_connection_to_the_server() -> None:
    async with AsyncExitStack() as stack:
        streams = await listening(events.app, stack, CLIENTS)

        async def ready() -> bool:
            return await subscribed() == 1 and len(events.app.state.hub.queues) == CLIENTS

        await eventually(ready)
        await publish("12")
        found = await asyncio.gather(*(events_of(stream, 1) for stream in streams))

    async def none_left() -> bool:
        return await subscribed() == 0

    await eventually(none_left)
    async with AsyncExitStack() as stack:
        await listening(tutorial("events").app, stack, CLIENTS)

        async def all_connected() -> bool:
            return await subscribed() == CLIENTS

        await eventually(all_connected)
    left = await subscribed()
    async with Redis.from_url(os.environ["VALKEY_URL"]) as admin:
        await admin.client_kill_filter(_type="pubsub")

    assert left >= CLIENTS // 2  # the clients have left, and the server of the app has ended
    assert found == [['"12"']] * CLIENTS


async def test_a_client_that_leaves_leaves_nothing() -> None:
    async with AsyncExitStack() as stack:
        streams = await listening(events.app, stack, 2)
        await streams[0].aclose()

        async def one_left() -> bool:
            await publish("12")
            return len(events.app.state.hub.queues) == 1

        await eventually(one_left)


async def test_a_client_that_is_too_slow_is_sent_away() -> None:
    hub, slow = events.Hub(Redis()), events.Queue()
    hub.queues.add(slow)
    for number in range(events.MAX_WAITING + 10):
        hub.hand_out(ServerSentEvent(event="price", data=number))

    assert (len(hub.queues), slow.qsize()) == (0, events.MAX_WAITING + 1)


async def test_a_lost_connection_is_told_to_the_clients() -> None:
    """The recipe tells clients of a lost connection to Valkey; the tutorials' stream breaks off.

    Then the client connects again, and cannot know that events are missing.
    """
    endings = {}
    for name, app in (("ours", events.app), ("theirs", tutorial("events").app)):
        async with AsyncExitStack() as stack:
            (stream,) = await listening(app, stack, 1)
            await eventually(one_subscribed)
            async with Redis.from_url(os.environ["VALKEY_URL"]) as admin:
                await admin.client_kill_filter(_type="pubsub")
            try:
                lines = [line async for line in stream.aiter_lines() if line]
                endings[name] = lines[0]
            except httpx.RemoteProtocolError:
                endings[name] = "broken off"

    assert endings == {"ours": "event: resync", "theirs": "broken off"}


async def one_subscribed() -> bool:
    return await subscribed() == 1

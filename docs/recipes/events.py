"""Events of Valkey or Redis as server-sent events: one subscribed connection a process, a bounded queue a client.

Run: VALKEY_URL=redis://127.0.0.1:6379 uvicorn events:app
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from redis.asyncio import Redis
from redis.exceptions import RedisError

MAX_CLIENTS, MAX_WAITING, PING_SECONDS = 200, 64, 2.0
"""The most streams of this process, the most waiting events of each, and the seconds until a lost connection shows."""

END = ServerSentEvent(event="resync", data="Read anew what you show.", retry=1000)
Queue = asyncio.Queue[ServerSentEvent]


class Hub:
    """The clients of this process, and the single connection to Redis that listens for all clients."""

    def __init__(self, client: Redis) -> None:
        self.client, self.queues = client, set[Queue]()

    async def listen(self) -> None:
        """Put each message into each client's queue, until cancelled; messages are lost while no connection listens."""
        while True:
            with suppress(RedisError, OSError):
                async with self.client.pubsub() as pubsub:
                    await pubsub.subscribe("prices")
                    while True:
                        if (message := await pubsub.get_message(timeout=PING_SECONDS)) is None:
                            await pubsub.ping()
                        elif message["type"] == "message":
                            self.hand_out(ServerSentEvent(event="price", data=message["data"].decode()))
            while self.queues:
                self.queues.pop().put_nowait(END)
            await asyncio.sleep(0.2)

    def hand_out(self, event: ServerSentEvent) -> None:
        """Give an event to each client; a client that does not keep up is disconnected, and may connect again."""
        for queue in list(self.queues):
            queue.put_nowait(event if queue.qsize() < MAX_WAITING else END)
            if queue.qsize() > MAX_WAITING:
                self.queues.discard(queue)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the Redis client, and listen for messages as long as the process lives."""
    async with Redis.from_url(os.environ["VALKEY_URL"]) as client, asyncio.TaskGroup() as group:
        app.state.hub = Hub(client)
        task = group.create_task(app.state.hub.listen())
        yield
        task.cancel()


async def subscribe(request: Request) -> AsyncGenerator[Queue]:
    """Yield a queue for a stream; refuse here, as a response that has started cannot be refused."""
    queue, queues = Queue(), request.app.state.hub.queues
    if len(queues) >= MAX_CLIENTS:
        raise HTTPException(503, "Too many streams.", {"Retry-After": "5"})
    queues.add(queue)
    yield queue
    queues.discard(queue)


app = FastAPI(lifespan=lifespan)


@app.get("/prices", response_class=EventSourceResponse)
async def prices(queue: Annotated[Queue, Depends(subscribe)]) -> AsyncIterable[ServerSentEvent]:
    while (event := await queue.get()) is not END:
        yield event
    yield END

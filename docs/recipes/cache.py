"""Valkey or Redis as a cache: bounded connections, single flight, and requests that succeed while the cache is down.

Run: VALKEY_URL=redis://127.0.0.1:6379 uvicorn cache:app
"""

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

Load = Callable[[], Awaitable[bytes]]
TTL_SECONDS, MAX_LOADS = 60, 4
"""The life of a value, and the most loads at a time: the database has to survive a cache that is empty or down."""


def connect(url: str) -> Redis:
    """Build a client of the cache with bounded waits, which sends each command only once."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=16,
        timeout=0.2,  # the wait for a connection; the default pool has 100, and raises an error beyond
        socket_timeout=0.25,
        socket_connect_timeout=0.25,
        retry=Retry(NoBackoff(), 0),  # the default repeats a command whose reply was lost: an INCR then counts twice
    )
    return Redis.from_pool(pool)


class Cache:
    """A cache with single flight: concurrent callers in this process wait for one load of a key."""

    def __init__(self, client: Redis) -> None:
        self._client, self._loads = client, asyncio.Semaphore(MAX_LOADS)
        self._loading: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, key: str, load: Load) -> bytes:
        """Return the value of a key, from the cache or loaded; a cancelled caller does not cancel the load."""
        if (task := self._loading.get(key)) is None:
            task = self._loading[key] = asyncio.create_task(self._find(key, load))
            task.add_done_callback(lambda _task: self._loading.pop(key))
        return await asyncio.shield(task)

    async def _find(self, key: str, load: Load) -> bytes:
        with suppress(RedisError, OSError):  # a cache that is down counts as a miss
            if isinstance(found := await self._client.get(key), bytes):
                return found
        async with self._loads:
            value = await load()
        seconds = TTL_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311 - no secret: not all keys expire at once
        with suppress(RedisError, OSError):
            await self._client.set(key, value, px=int(seconds * 1000))
        return value


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the client at the start and close it at the end."""
    async with connect(os.environ["VALKEY_URL"]) as client:
        app.state.cache = Cache(client)
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/report")
async def report(request: Request) -> dict[str, str]:
    return {"report": (await request.app.state.cache.get("v1:report", slow_report)).decode()}


async def slow_report() -> bytes:
    await asyncio.sleep(0.1)
    return b"the figures of today"

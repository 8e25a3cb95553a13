"""A policy, a store on a Valkey server, and requests with a time limit, for tests of rate limit stores."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.rate_limits.gcra import Policy
from app.rate_limits.limiter import STORE_SECONDS, Limiter
from app.rate_limits.valkey import ValkeyStore
from app.valkey.client import open_client
from tests.valkey.server import Valkey

POLICY = Policy("tried", quota=50, seconds=3600)

AT_MOST_SECONDS = 20 * STORE_SECONDS
"""The time limit of requests while the store is away, in seconds: many times the store's timeout, for a busy machine.
"""


@asynccontextmanager
async def on(server: Valkey) -> AsyncGenerator[ValkeyStore]:
    """Yield a rate limit store on a Valkey server."""
    async with open_client(server.url) as client:
        assert client
        yield ValkeyStore(client, "service")


async def allowed(limiter: Limiter, hits: int, key: str = "a", *, within: float = AT_MOST_SECONDS) -> int:
    """Pass `hits` concurrent requests to the rate limiter, and return how many are allowed."""
    async with asyncio.timeout(within):
        return sum(done.allowed for done in await asyncio.gather(*(limiter.take(key, POLICY) for _ in range(hits))))

"""The client of the Valkey or Redis of REDIS_URL: each command is sent once, and each wait has a bound.

This is the only module that imports redis-py, which is the optional extra `redis`. valkey-py has the same interface:
to use it, import the same names from `valkey`, where the classes are called `Valkey` and `ValkeyError`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

try:
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
except ModuleNotFoundError:  # without the package, the settings refuse REDIS_URL, so these names stay unused
    Redis, RedisError = Any, OSError  # type: ignore[assignment,misc] # names for annotations, and no further error

__all__ = ["ERRORS", "Redis", "open_client"]  # other modules import `Redis` only from here

ERRORS = (RedisError, OSError)
"""The errors of a command whose server is unreachable, frozen or out of connections."""

MAX_CONNECTIONS = 16
"""The most connections of one process to Valkey; each carries some thousand commands a second."""

WAIT_SECONDS = 1.0
"""The longest wait for a connection of the pool, for a new connection, and for a reply, in seconds each; callers for
which the server is optional wait less, by `BestEffort`. Blocking commands such as BLPOP need a separate client."""


@asynccontextmanager
async def open_client(url: SecretStr | None) -> AsyncGenerator["Redis | None"]:
    """Yield the client for a URL, and close its connections at the end; without a URL yield None.

    No connection is opened before the first command, so that the service also starts while the server is unreachable.
    """
    if url is None:
        yield None
        return
    pool = BlockingConnectionPool.from_url(
        url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=WAIT_SECONDS,
        socket_timeout=WAIT_SECONDS,
        socket_connect_timeout=WAIT_SECONDS,
        # With protocol 3, redis-py hands out connections that the server has closed: each fails a command.
        protocol=2,
        # `Redis(host=...)` repeats a command whose reply was lost, up to ten times: rate limits would count too much.
        retry=Retry(NoBackoff(), 0),
    )
    async with Redis.from_pool(pool) as client:
        yield client

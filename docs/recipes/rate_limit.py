"""A rate limit for all processes together, on Valkey or Redis (GCRA), after the same limit within each process.

Run: VALKEY_URL=redis://127.0.0.1:6379 uvicorn rate_limit:app
"""

import os
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

MAX_CLIENTS, STORE_SECONDS = 10_000, 0.25  # clients that each process remembers; the longest wait for Valkey

# GCRA stores a single time for each client: until then, its requests use up the limit. The clock is that of Valkey.
SCRIPT = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local each, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local free_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
if free_at - now > each * (burst - 1) then return free_at - now - each * (burst - 1) end
redis.call('SET', KEYS[1], string.format('%.0f', free_at + each), 'PX', math.ceil((free_at + each - now) / 1000))
return 0
"""


@dataclass(frozen=True)
class Limit:
    """A dependency that lets each client make `requests` requests in `seconds`, for a route or for a whole router."""

    name: str
    requests: int
    seconds: float
    _local: OrderedDict[str, float] = field(default_factory=OrderedDict, compare=False)

    async def __call__(self, request: Request) -> None:
        """Count the request, or answer 429; behind a proxy, the client's address needs uvicorn's proxy headers."""
        key, each = f"limit:{self.name}:{request.client.host if request.client else ''}", self.seconds / self.requests
        if not (wait := self._count_here(key, each)):
            with suppress(RedisError, OSError):  # without Valkey, the limit of this process remains, and no 500
                wait = await request.app.state.script(keys=[key], args=[int(each * 1e6), self.requests]) / 1e6
        if wait:
            raise HTTPException(429, "Too many requests.", {"Retry-After": str(int(wait) + 1)})

    def _count_here(self, key: str, each: float) -> float:
        now = time.monotonic()
        free_at = max(self._local.pop(key, now), now)
        wait = max(0.0, free_at - now - each * (self.requests - 1))
        self._local[key] = free_at if wait else free_at + each
        if len(self._local) > MAX_CLIENTS:
            self._local.popitem(last=False)
        return wait


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Connect to Valkey at the start and disconnect at the end; a request waits for Valkey a fraction of a second."""
    bounds = dict.fromkeys(("timeout", "socket_timeout", "socket_connect_timeout"), STORE_SECONDS)
    once = {"retry": Retry(NoBackoff(), 0), "max_connections": 16}
    async with Redis.from_pool(BlockingConnectionPool.from_url(os.environ["VALKEY_URL"], **once, **bounds)) as store:
        app.state.script = store.register_script(SCRIPT)
        yield


router = APIRouter(dependencies=[Depends(Limit("search", requests=5, seconds=60))])


@router.get("/search")
async def search() -> dict[str, list[str]]:
    return {"found": []}


app = FastAPI(lifespan=lifespan)
app.include_router(router, prefix="/api")

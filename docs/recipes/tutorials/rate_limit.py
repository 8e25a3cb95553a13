import asyncio
import os

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.decorator import cache
from fastapi_limiter.depends import RateLimiter
from pyrate_limiter import Duration, Limiter as Bucket, Rate
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIMiddleware
from slowapi.util import get_remote_address

# slowapi: a default limit for all routes
limiter = Limiter(key_func=get_remote_address, default_limits=["5/minute"], storage_uri=os.environ["VALKEY_URL"])
slowapi_app = FastAPI()
slowapi_app.state.limiter = limiter
slowapi_app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
slowapi_app.add_middleware(SlowAPIMiddleware)
router = APIRouter()


@slowapi_app.get("/on-the-app")
@router.get("/on-a-router")
async def search():
    return "found"


slowapi_app.include_router(router)

# fastapi-limiter: a limit for a route, beside a router
limiter_app = FastAPI()
limiter_app.include_router(router)


@limiter_app.get("/limited", dependencies=[Depends(RateLimiter(limiter=Bucket(Rate(5, Duration.MINUTE))))])
async def limited():
    return "found"


# fastapi-cache2: a cached response of a user
cache_app = FastAPI()
loads = []


@cache_app.get("/me")
@cache(expire=60)
async def me(request: Request):
    loads.append(1)
    await asyncio.sleep(0.5)
    return request.headers["Authorization"]


FastAPICache.init(InMemoryBackend())

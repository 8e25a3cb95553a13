"""The service with routes that have a rate limit or a cached response; tests run the app under gunicorn."""

import os
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from app.http_caching.cached import CachedRead, cached
from app.http_caching.response_cache import Caching
from app.main import create_app
from app.rate_limits.gcra import Policy
from app.rate_limits.limited import LIMITERS, build_limiter, limited
from app.rate_limits.limiter import Limiter
from app.request.authenticated import Principal, PrincipalDep, get_principal
from app.settings.load import load_settings

QUOTA, WINDOW_SECONDS = 120, 3600
"""The requests of the rate limit, and its window in seconds: a client that has used up its quota may send one more
request every 30 s, and a test ends earlier."""

Cached = Annotated[CachedRead, cached(Caching("names", seconds=60, stale_seconds=60))]

LIMITER_OF: dict[float, Limiter] = {}

app = create_app(load_settings())


async def choose_patience(request: Request, patience: Annotated[float, Header()] = 0) -> None:
    """Set the timeout of the rate limit store from a request header: a busy machine may need seconds for a count."""
    if patience not in LIMITER_OF:
        LIMITERS.pop(request.app, None)
        LIMITER_OF[patience] = build_limiter(request, patience or None)
    LIMITERS[request.app] = LIMITER_OF[patience]


router = APIRouter(dependencies=[Depends(choose_patience), limited(Policy("tried", QUOTA, WINDOW_SECONDS))])


@router.get("/limited")
async def work() -> int:
    """Return the worker's process id."""
    return os.getpid()


@app.get("/name")
async def name(principal: PrincipalDep, cached: Cached) -> Response:
    """Return the caller's name, from the response cache."""

    async def load() -> str:
        return principal.subject

    return await cached.response(load)


async def by_header(subject: Annotated[str, Header()]) -> Principal:
    """Return the principal named by a header, without an access token: tokens have separate tests."""
    return Principal(subject, "client")


app.include_router(router)
app.dependency_overrides[get_principal] = by_header

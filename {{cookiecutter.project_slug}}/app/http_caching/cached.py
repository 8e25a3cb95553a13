"""Cached responses as a FastAPI dependency: `cached: Annotated[CachedRead, cached(Caching("total", 5, 60))]`."""

from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Depends, FastAPI, Request, Response

from app.dependencies import resources_of
from app.http_caching.conditional import ConditionalReadDep
from app.http_caching.response_cache import Caching, Load, ResponseCache
from app.request.authenticated import PrincipalDep

CACHES: WeakKeyDictionary[FastAPI, dict[Caching, ResponseCache]] = WeakKeyDictionary()
"""The response caches of each FastAPI application in this process; the first request to a cached route creates the
cache of the route."""


@dataclass(frozen=True, slots=True)
class CachedRead:
    """An expensive read, whose response is cached for each principal separately."""

    cache: ResponseCache
    key: str
    condition: ConditionalReadDep

    async def response(self, load: Load) -> Response:
        """Return the cached response, or the response that `load` makes; 304 if the client has the response."""
        body = await self.cache.body(self.key, load)

        async def version() -> str:
            return sha256(body).hexdigest()[:32]

        if (unchanged := await self.condition.unchanged(version)) is not None:
            return unchanged
        self.condition.tag(await version())
        return Response(body, headers=dict(self.condition.response.headers), media_type="application/json")


def cached(caching: Caching) -> Any:  # noqa: ANN401 - FastAPI types markers such as `Depends` as Any
    """Return the dependency that caches the responses of a route, for each principal, path and query.

    The key of the cache is made here and not in the route, so that no route can forget the principal: two principals
    never share a response, and neither do two tokens of one principal with different scopes.
    """

    async def read(request: Request, principal: PrincipalDep, condition: ConditionalReadDep) -> CachedRead:
        return CachedRead(cache_of(request, caching), key_of(request, principal), condition)

    return Depends(read)


def key_of(request: Request, principal: PrincipalDep) -> str:
    """Return a digest of all that a response may depend on: the principal with the scopes, the path and the query."""
    who = principal.subject, principal.client, sorted(principal.scopes)
    # Sort the query by the parameters' names only: a repeated parameter keeps its sequence of values, because a route
    # takes the last value or the whole list.
    parts = who, request.url.path, sorted(request.query_params.multi_items(), key=itemgetter(0))
    return sha256(repr(parts).encode(errors="backslashreplace")).hexdigest()


def cache_of(request: Request, caching: Caching) -> ResponseCache:
    """Return the cache of an application, shared through Valkey if REDIS_URL is set."""
    caches = CACHES.setdefault(request.app, {})
    if caching not in caches:
        valkey = resources_of(request).valkey
        caches[caching] = ResponseCache(caching, valkey=valkey, prefix=request.app.title)
    return caches[caching]

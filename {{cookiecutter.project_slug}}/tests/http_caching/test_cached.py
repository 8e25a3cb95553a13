"""A cached route keeps responses apart by principal, scope, path and query, and answers 304."""

from collections.abc import AsyncGenerator
from typing import Annotated

import pytest
from fastapi import FastAPI, Header, Response

from app.http_caching.cached import CachedRead, cached
from app.http_caching.response_cache import Caching
from app.request.authenticated import Principal, PrincipalDep, get_principal
from tests.conftest import client_of
from tests.databases import make_settings
from tests.http_client import build_app, httpx

Cached = Annotated[CachedRead, cached(Caching("things", seconds=60, stale_seconds=60))]


async def by_header(subject: Annotated[str, Header()], scopes: Annotated[str, Header()] = "") -> Principal:
    """Return a principal from the request headers `Subject` and `Scopes`, which tests send instead of a token."""
    return Principal(subject, "client", frozenset(scopes.split()))


@pytest.fixture
def loads() -> list[str]:
    """The texts that the cached route has loaded, one text for each cache miss."""
    return []


@pytest.fixture
async def client(committed_url: str, loads: list[str]) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of the service with a route whose responses are cached."""
    app: FastAPI = build_app(make_settings(committed_url))
    app.dependency_overrides[get_principal] = by_header

    @app.get("/things/{name}")
    async def read(name: str, principal: PrincipalDep, cached: Cached, detail: str = "") -> Response:
        async def load() -> str:
            loads.append(text := " ".join([principal.subject, *sorted(principal.scopes), name, detail]).strip())
            return text

        return await cached.response(load)

    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


async def test_what_a_response_depends_on_has_a_response_of_its_own(
    client: httpx.AsyncClient, loads: list[str]
) -> None:
    requests = [
        ("/things/a", {"Subject": "Alice"}),
        ("/things/a", {"Subject": "Bob"}),
        ("/things/a", {"Subject": "Bob", "Scopes": "all"}),
        ("/things/b", {"Subject": "Bob"}),
        ("/things/a?detail=full", {"Subject": "Bob"}),
        ("/things/a?detail=full&detail=short", {"Subject": "Bob"}),
        ("/things/a?detail=short&detail=full", {"Subject": "Bob"}),
    ]
    texts = [(await client.get(path, headers=headers)).json() for path, headers in requests * 2]

    assert loads == ["Alice a", "Bob a", "Bob all a", "Bob b", "Bob a full", "Bob a short", "Bob a full"]
    assert texts == loads * 2


async def test_a_cached_response_is_for_the_cache_of_its_client_and_has_an_etag(
    client: httpx.AsyncClient, loads: list[str]
) -> None:
    first = await client.get("/things/a", headers={"Subject": "Alice"})
    second = await client.get("/things/a", headers={"Subject": "Alice", "If-None-Match": first.headers["ETag"]})

    assert (first.headers["Cache-Control"], first.headers["Vary"]) == ("private, no-cache", "Authorization")
    assert (second.status_code, second.content, second.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert loads == ["Alice a"]

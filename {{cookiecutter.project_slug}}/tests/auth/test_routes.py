"""Each route needs a scope of the access token, except for listed paths; a request without a valid token is refused."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from app.main import app as real
from app.request.authenticated import PrincipalDep, get_principal, needs
from tests.http_client import httpx
from tests.tokens import bearer

PUBLIC = {
    "/health/live",  # liveness and readiness probes have no access token
    "/health/ready",
    "/openapi.json",  # API documentation and test pages exist in development only
    "/docs",
    "/docs/files",
    "/dev/jobs",
    # yours below
}
"""The paths that need no authentication, each with the reason."""

ANY_TOKEN = set[str]()
"""The paths that need a token, and no scope, each with the reason: any client of the issuer may use them."""


def without_scope(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """Yield the path of each route that needs no scope, also of nested, hidden and WebSocket routes."""
    for route in iter_route_contexts(list(routes)):
        dependant = getattr(route, "dependant", None) or getattr(route.original_route, "dependant", None)
        if dependant is None or not any(scopes_of(dependant)):
            yield str(route.path or getattr(route.original_route, "path", ""))


def scopes_of(dependant: Dependant) -> Iterator[str]:
    """Yield the scopes that a dependency and its own dependencies need of the principal."""
    if dependant.call is get_principal:
        yield from (*(dependant.own_oauth_scopes or ()), *(dependant.parent_oauth_scopes or ()))
    for inner in dependant.dependencies:
        yield from scopes_of(inner)


async def test_every_route_needs_a_scope_or_is_on_a_list(app: FastAPI) -> None:
    assert set(without_scope(app.routes)) <= PUBLIC | ANY_TOKEN
    assert set(without_scope(real.routes)) <= PUBLIC | ANY_TOKEN


def operations(app: FastAPI, lists: set[str]) -> list[tuple[str, str]]:
    """Return method and path of each operation in the OpenAPI document, except for the paths in `lists`."""
    return [
        (method, re.sub(r"{[^}]*id}", "00000000-0000-7000-8000-000000000000", path))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path not in lists
    ]


async def statuses(client: httpx.AsyncClient, called: list[tuple[str, str]], **sent: Any) -> dict[Any, int]:  # noqa: ANN401 - the options of the client
    async with asyncio.timeout(20):  # a stream is endless if the service fails to refuse the request
        return {each: (await client.request(*each, **sent)).status_code for each in called}


async def test_every_operation_refuses_a_token_without_its_scopes(app: FastAPI, client: httpx.AsyncClient) -> None:
    called = operations(app, PUBLIC | ANY_TOKEN)

    assert await statuses(client, called, headers=bearer(scope="other")) == dict.fromkeys(called, 403)


def test_a_forgotten_scope_is_found_wherever_it_is() -> None:
    planted, inner, outer = FastAPI(openapi_url=None), APIRouter(prefix="/inner"), APIRouter(prefix="/outer")

    async def anybody() -> None: ...
    async def somebody(principal: PrincipalDep) -> None: ...
    async def talk(websocket: WebSocket) -> None: ...

    inner.add_api_route("/open", anybody)
    inner.add_api_route("/hidden", anybody, include_in_schema=False)
    inner.add_api_route("/any-token", somebody)
    inner.add_api_websocket_route("/talk", talk)
    inner.add_api_route("/guarded", anybody, dependencies=[needs("reports:read")])
    inner.add_api_route("/of-two", somebody, dependencies=[needs("reports:read")])
    outer.include_router(inner)
    planted.include_router(outer)

    assert set(without_scope(planted.routes)) == {
        f"/outer/inner/{name}" for name in ("open", "hidden", "talk", "any-token")
    }


async def show(principal: PrincipalDep) -> dict[str, Any]:
    return {"sub": principal.subject, "client": principal.client, "scopes": sorted(principal.scopes)}


@pytest.fixture
async def scratch(app: FastAPI) -> AsyncGenerator[None]:
    """Add two routes to the app: one for any token, one that needs two scopes."""
    routes = list(app.router.routes)
    app.add_api_route("/me", show)
    app.add_api_route("/admin", show, name="show_admin", dependencies=[needs("admin", "write")])
    yield
    app.router.routes[:] = routes


UNAUTHORIZED = 'Bearer realm="api"'
INVALID = UNAUTHORIZED + ', error="invalid_token", error_description="%s"'
GARBLED = "The access token is refused: it has characters that no token has."
TWO = "A request has one Authorization header at most."


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ([], UNAUTHORIZED),
        ([("authorization", "Basic YTpi")], UNAUTHORIZED),
        ([("authorization", "Bearer secret")], INVALID % GARBLED),
        ([("authorization", "bearer secret")], INVALID % GARBLED),
        ([("authorization", "Bearer ")], INVALID % GARBLED),
        ([*bearer().items(), *bearer().items()], INVALID % TWO),
    ],
    ids=["none", "Basic", "no token", "lower case", "empty", "two"],
)
async def test_a_request_without_a_usable_token_is_401(
    client: httpx.AsyncClient, headers: list[tuple[str, str]], challenge: str
) -> None:
    answer = await client.get("/me", headers=headers, auth=None)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthorized"


@pytest.mark.usefixtures("scratch")
async def test_a_token_without_a_scope_is_403(client: httpx.AsyncClient) -> None:
    refused = await client.get("/admin", headers=bearer(scope="admin"))
    allowed = await client.get("/admin", headers=bearer(scope="admin write other"))

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.headers["www-authenticate"] == f'{UNAUTHORIZED}, error="insufficient_scope", scope="admin write"'
    assert (allowed.status_code, allowed.json()) == (
        200,
        {"sub": "ada", "client": "tests", "scopes": ["admin", "other", "write"]},
    )


@pytest.mark.usefixtures("scratch")
async def test_the_principal_is_that_of_the_token(client: httpx.AsyncClient) -> None:
    answer = await client.get("/me", headers=bearer("eve", "a b"))

    assert answer.json() == {"sub": "eve", "client": "tests", "scopes": ["a", "b"]}


async def test_a_public_route_asks_for_no_token(client: httpx.AsyncClient) -> None:
    client.headers["authorization"] = "Bearer secret"

    assert (await client.get("/health/live")).status_code == 200


@pytest.mark.usefixtures("scratch")
async def test_the_scopes_are_in_the_openapi_document(app: FastAPI) -> None:
    needs("reports:read")  # a scope that no route of `app` needs, but a route of a different app in the process
    app.openapi_schema = None
    document = app.openapi()
    app.openapi_schema = None

    assert document["paths"]["/admin"]["get"]["security"] == [{"access_token": ["admin", "write"]}]
    assert document["paths"]["/me"]["get"]["security"] == [{"access_token": []}]
    documented = document["paths"]["/admin"]["get"]["responses"]
    assert [documented[status]["content"].keys() for status in ("401", "403")] == [{"application/problem+json"}] * 2
    described = document["components"]["securitySchemes"]["access_token"]["flows"]["authorizationCode"]["scopes"]
    assert {"admin", "write"} <= described.keys()
    assert "reports:read" not in described

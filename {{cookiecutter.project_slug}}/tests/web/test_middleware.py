"""The middleware of the whole service: request ids, limits of request bodies, and interrupted responses."""

import gc
import weakref
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.responses import StreamingResponse
from starlette.types import Message

from app.health.routes import router as health
from app.main import create_app
from app.settings.route_groups import RouteGroup, RouteGroupsSettings
from tests.conftest import client_of
from tests.databases import make_settings
from tests.http_client import httpx


@pytest.mark.parametrize("given", ["caller-0001", "a" * 64, "0123.4567_89"])
async def test_a_well_formed_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health/live", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["", "short", "a" * 65, "two words here", "line\tbreak-1", '{"forged": 1}', "-leading-dash"]
)
async def test_a_malformed_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health/live", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


@pytest.fixture
def route_groups() -> RouteGroupsSettings:
    """The default settings of route groups, which a test may replace by a parameter `route_groups`."""
    return RouteGroupsSettings()


@pytest.fixture
async def app_with_routes(shared_url: str, route_groups: RouteGroupsSettings) -> AsyncGenerator[FastAPI]:
    """The service with a body limit of 1000 bytes, a route with a broken response, and a route that reads the body."""
    app = create_app(make_settings(shared_url, max_body_bytes=1000, route_groups=route_groups))

    async def broken() -> AsyncGenerator[bytes]:
        yield b"the first half"
        raise RuntimeError("no second half")

    @app.get("/half")
    async def half() -> StreamingResponse:
        return StreamingResponse(broken())

    @app.get("/nothing")
    async def nothing() -> None:
        pass

    @app.post("/size")
    async def size(body: Annotated[bytes, Body()]) -> int:
        return len(body)

    async with app.router.lifespan_context(app):
        yield app


async def test_a_response_that_breaks_half_way_is_not_ended_as_complete(app_with_routes: FastAPI) -> None:
    async with client_of(app_with_routes) as client:
        with pytest.raises(RuntimeError, match="no second half"):
            await client.get("/half")


async def chunks(count: int) -> AsyncGenerator[bytes]:
    for _ in range(count):
        yield b"x" * 100


async def test_a_body_up_to_the_limit_is_accepted(app_with_routes: FastAPI) -> None:
    async with client_of(app_with_routes) as client:
        answers = [await client.post("/size", content=body) for body in (b"x" * 1000, chunks(10))]

    assert [answer.json() for answer in answers] == [1000, 1000]


async def test_a_body_over_the_limit_is_413_with_or_without_a_declared_length(app_with_routes: FastAPI) -> None:
    async with client_of(app_with_routes) as client:
        answers = [await client.post("/size", content=body) for body in (b"x" * 1001, chunks(11))]

    assert [answer.status_code for answer in answers] == [413, 413]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert {answer.json()["detail"] for answer in answers} == {"The body is larger than 1000 bytes."}


@pytest.mark.parametrize("route_groups", [RouteGroupsSettings(others=RouteGroup(max_body_bytes=2000))])
async def test_a_route_group_may_have_a_body_limit_of_its_own(app_with_routes: FastAPI) -> None:
    async with client_of(app_with_routes) as client:
        accepted = [await client.post("/size", content=body) for body in (b"x" * 2000, chunks(20))]
        refused = [await client.post("/size", content=body) for body in (b"x" * 2001, chunks(21))]
        probe = await client.request("GET", "/health/live", content=b"x" * 1001)

    assert [answer.json() for answer in accepted] == [2000, 2000]
    assert [answer.status_code for answer in [*refused, probe]] == [413, 413, 413]
    assert {answer.json()["detail"] for answer in refused} == {"The body is larger than 2000 bytes."}


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Message) -> None:
    pass


def scope_of(path: str) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    address = {"scheme": "http", "server": ("service", 80), "client": ("127.0.0.1", 1), "root_path": ""}
    target = {"method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    return {"type": "http", "http_version": "1.1", "asgi": {"version": "3.0"}} | address | target


class WatchedScope(dict[str, Any]):
    """A request's ASGI scope that allows weak references, by which a test notices that the scope is freed."""


@pytest.mark.parametrize("route_groups", [RouteGroupsSettings(others=RouteGroup(deadline_seconds=0))])
@pytest.mark.parametrize("path", ["/nothing", "/nowhere"])
async def test_the_memory_of_a_request_is_free_at_its_end(app_with_routes: FastAPI, path: str) -> None:
    """The memory of a request is freed without the garbage collector, whose search would stop the event loop.

    The request has no deadline: asyncio, unlike uvloop, keeps a cancelled timer, and with it the context of the
    request.
    """
    scope = WatchedScope(scope_of(path))
    gone = weakref.ref(scope)
    gc.disable()
    try:
        await app_with_routes(scope, receive, send)
        del scope

        assert gone() is None
    finally:
        gc.enable()


def test_routes_are_searched_one_by_one_and_documented_as_those_of_an_included_router(shared_url: str) -> None:
    app, tree = (create_app(make_settings(shared_url, api_docs=True)) for _ in range(2))
    included = len(health.routes)
    tree.router.routes[-included:] = []
    FastAPI.include_router(tree, health)

    assert all(isinstance(route, APIRoute) for route in app.routes[-included:])
    assert len(list(iter_route_contexts(tree.routes))) == len(list(iter_route_contexts(app.routes)))
    assert tree.openapi() == app.openapi()

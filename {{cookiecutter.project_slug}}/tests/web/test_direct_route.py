"""Direct routes: simple endpoints are called without FastAPI's solver of dependencies, and answer as FastAPI does."""

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException, Path, Query, Request, Response
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse
from fastapi.security import SecurityScopes
from pydantic import BaseModel, ConfigDict

from app.web.handlers import HANDLERS
from app.web.openapi import Documented
from tests.http_client import httpx

router = APIRouter()


class Page(BaseModel):
    """The query parameters of a page; a request with unknown parameters is refused."""

    model_config = ConfigDict(extra="forbid")

    limit: int = 10
    words: list[str] = []


class Answer(BaseModel):
    """A response model without the field `hidden`, which the endpoint returns and FastAPI leaves out."""

    values: dict[str, Any]
    is_direct: bool | None = None


async def count(connection: HTTPConnection) -> int:
    """Return how often this dependency was called in a request: once, as FastAPI caches the result for each request."""
    connection.state.calls = getattr(connection.state, "calls", 0) + 1
    return int(connection.state.calls)


async def doubled(number: Annotated[int, Depends(count)]) -> int:
    return number * 2


async def both(number: Annotated[int, Depends(count)], twice: Annotated[int, Depends(doubled)]) -> tuple[int, int]:
    return number, twice


async def refuse(*, refused: bool = False) -> None:
    if refused:
        raise HTTPException(409, "refused", {"x-why": "asked"})


@router.get("/things/{thing_id}", response_model=Answer, dependencies=[Depends(refuse)], status_code=203)
async def read_thing(
    thing_id: Annotated[int, Path(ge=1)],
    calls: Annotated[tuple[int, int], Depends(both)],
    request: Request,
    words: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    values = {"id": thing_id, "calls": calls, "words": words, "url": str(request.url)}
    return {"values": values, "hidden": True}


@router.get("/pages", response_model_exclude_none=True)
async def read_page(page: Annotated[Page, Query()]) -> Answer:
    return Answer(values=page.model_dump())


@router.get("/plain")
async def read_plain(request: Request) -> dict[str, str]:
    return Response("plain", 202, {"x-own": request.method}, "text/plain")  # type: ignore[return-value] # as FastAPI allows


@router.get("/wrong")
async def read_wrong() -> Answer:
    return {"values": "wrong"}  # type: ignore[return-value] # a bug of the endpoint


def built(kind: type[FastAPI]) -> FastAPI:
    """Return an application of the class `kind`, FastAPI or the service's own class, with the routes of this test."""
    app = kind(exception_handlers=HANDLERS)
    app.include_router(router)
    return app


async def answer(app: FastAPI, method: str, url: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of a response."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        response = await client.request(method, url)
    return response.status_code, response.headers.raw, response.content


REQUESTS = {
    "/things/7": 203,
    "/things/7?words=a&words=b&unknown=1": 203,
    "/things/0": 422,
    "/things/x?refused=maybe": 422,
    "/things/7?refused=1": 409,
    "/pages": 200,
    "/pages?limit=5&words=a&words=b": 200,
    "/pages?limit=5&limit=6": 200,
    "/pages?limit=x&unknown=1": 422,
    "/plain": 202,
    "/wrong": 500,
}


@pytest.mark.parametrize("url", REQUESTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_answer_is_that_of_fastapi(method: str, url: str) -> None:
    ours, theirs = [await answer(built(kind), method, url) for kind in (Documented, FastAPI)]

    assert ours == theirs
    assert ours[0] == (REQUESTS[url] if method == "GET" else 405)


async def test_an_override_replaces_a_dependency() -> None:
    app = built(Documented)
    before = await answer(app, "GET", "/things/7")
    app.dependency_overrides[count] = lambda: 5

    assert b'"calls":[1,2]' in before[2]
    assert b'"calls":[5,10]' in (await answer(app, "GET", "/things/7"))[2]


async def lend() -> AsyncGenerator[int]:
    yield 1


def in_thread() -> int:
    return 1


async def scoped(scopes: SecurityScopes) -> int:
    return len(scopes.scopes)


async def simple(request: Request, number: Annotated[int, Depends(count)], query: int = 1) -> bool:
    return number == query and "fastapi_inner_astack" not in request.scope


async def lent(request: Request, _lent: Annotated[int, Depends(lend)]) -> bool:
    return await simple(request, 1)


async def offloaded(request: Request, _in_thread: Annotated[int, Depends(in_thread)]) -> bool:
    return await simple(request, 1)


async def with_scopes(request: Request, _scopes: Annotated[int, Depends(scoped)]) -> bool:
    return await simple(request, 1)


async def uncached(request: Request, _counted: Annotated[int, Depends(count, use_cache=False)]) -> bool:
    return await simple(request, 1)


async def with_response(request: Request, _response: Response) -> bool:
    return await simple(request, 1)


async def with_tasks(request: Request, _tasks: BackgroundTasks) -> bool:
    return await simple(request, 1)


async def with_header(request: Request, _own: Annotated[str, Header()] = "") -> bool:
    return await simple(request, 1)


async def with_body(request: Request, _body: Page | None = None) -> bool:
    return await simple(request, 1)


LEFT = [lent, offloaded, with_scopes, uncached, with_response, with_tasks, with_header, with_body]


@pytest.mark.parametrize("endpoint", [simple, *LEFT])
async def test_only_a_simple_endpoint_is_called_past_the_exit_stacks_of_fastapi(
    endpoint: Callable[..., object],
) -> None:
    small, app = APIRouter(), Documented()
    small.get("/")(endpoint)
    app.include_router(small)

    assert (await answer(app, "GET", "/"))[2] == (b"true" if endpoint is simple else b"false")


@pytest.mark.parametrize("options", [{"response_model": None}, {"response_class": JSONResponse}, {"max_body_size": 9}])
async def test_a_route_with_options_of_its_own_is_left_to_fastapi(options: dict[str, Any]) -> None:
    small, app = APIRouter(), Documented()
    small.get("/", **options)(simple)
    app.include_router(small)

    assert (await answer(app, "GET", "/"))[2] == b"false"

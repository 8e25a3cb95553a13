"""Direct routes answer as FastAPI does beside exception handlers, outer routers and unusual endpoints."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Request, Response, Security
from fastapi.exceptions import ResponseValidationError

from app.web.openapi import Documented
from tests.web.test_direct_route import answer, count

Build = Callable[[type[FastAPI]], FastAPI]


def with_routes(kind: type[FastAPI], router: APIRouter) -> FastAPI:
    """Return an application of the class `kind`, FastAPI or the service's own class, with the routes of a router."""
    app = kind()
    app.include_router(router)
    return app


def with_a_handler_that_reads_the_body(kind: type[FastAPI]) -> FastAPI:
    router = APIRouter()

    @router.post("/")
    async def refuse_what_was_read(request: Request) -> dict[str, int]:
        raise HTTPException(409, str(len(await request.body())))

    async def show_body(request: Request, _error: Exception) -> Response:
        return Response(await request.body() + b" was read", 409)

    app = with_routes(kind, router)
    app.add_exception_handler(HTTPException, show_body)
    return app


def included_with_a_dependency(kind: type[FastAPI]) -> FastAPI:
    async def refuse() -> None:
        raise HTTPException(401)

    router = APIRouter()
    router.post("/")(count)
    app = kind()
    app.include_router(with_routes(kind, router).router, dependencies=[Depends(refuse)])
    return app


def with_a_partial_function(kind: type[FastAPI]) -> FastAPI:
    async def add(first: int = 1, second: int = 2) -> int:
        return first + second

    router = APIRouter()
    router.post("/", response_model=int)(partial(add, second=5))
    return with_routes(kind, router)


def with_an_alias_of_the_path(kind: type[FastAPI]) -> FastAPI:
    async def read(found: Annotated[str | None, Path(validation_alias="thing")]) -> str | None:
        return found

    router = APIRouter(prefix="/{thing}")
    router.post("")(read)
    return with_routes(kind, router)


def with_a_name_that_is_not_in_the_path(kind: type[FastAPI]) -> FastAPI:
    async def read(found: Annotated[str | None, Path()]) -> str | None:
        return found

    router = APIRouter()
    router.post("/")(read)
    return with_routes(kind, router)


def with_scopes(kind: type[FastAPI]) -> FastAPI:
    async def both(
        first: Annotated[int, Security(count, scopes=["a"])], second: Annotated[int, Security(count, scopes=["b"])]
    ) -> list[int]:
        return [first, second]

    router = APIRouter()
    router.post("/")(both)
    return with_routes(kind, router)


BUILT: dict[Build, int] = {
    with_a_handler_that_reads_the_body: 409,
    included_with_a_dependency: 401,
    with_a_partial_function: 200,
    with_an_alias_of_the_path: 200,
    with_a_name_that_is_not_in_the_path: 422,
    with_scopes: 200,
}


@pytest.mark.parametrize("build", BUILT)
async def test_an_unusual_application_answers_as_with_fastapi(build: Build) -> None:
    url = "/x" if build is with_an_alias_of_the_path else "/"
    ours, theirs = [await answer(build(kind), "POST", url) for kind in (Documented, FastAPI)]

    assert ours == theirs
    assert ours[0] == BUILT[build]


async def test_the_error_of_an_invalid_response_names_the_endpoint() -> None:
    seen = list[str]()

    async def keep(_request: Request, error: Exception) -> Response:
        seen.append(str(error).partition("\n")[2])
        return Response(status_code=500)

    async def wrong() -> int:
        return "wrong"  # type: ignore[return-value] # a bug of the endpoint

    for kind in (Documented, FastAPI):
        router = APIRouter()
        router.post("/")(wrong)
        app = with_routes(kind, router)
        app.add_exception_handler(ResponseValidationError, keep)
        await answer(app, "POST", "/")

    assert seen[0] == seen[1]
    assert "in wrong" in seen[0]

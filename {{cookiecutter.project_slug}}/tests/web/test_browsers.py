"""Security headers and CORS are on responses of every status."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import pytest
from fastapi import FastAPI, Response

from app.errors import Unavailable
from app.limits.bulkhead import Bulkhead
from app.main import create_app
from app.server.refusal import NO_ROOM, refusal_bytes
from app.web.default_headers import DEFAULT_HEADERS
from tests.databases import make_settings
from tests.http_client import httpx

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
PAGE = "https://app.example.com"
SECURITY = {name.decode(): value.decode() for name, value in DEFAULT_HEADERS}
SETTINGS = {"cors_origins": f"{PAGE}, http://127.0.0.1:3000", "allowed_hosts": "api.example.com", "max_body_bytes": 10}


def build(**changes: Any) -> FastAPI:  # noqa: ANN401 - Any, as settings have several types
    """Return the service without a lifespan, with routes that need no resources."""
    app = create_app(make_settings(NOWHERE, **changes))

    @app.get("/fine")
    async def fine() -> str:
        return "fine"

    @app.get("/own")
    async def own() -> Response:
        return Response(headers={"Content-Security-Policy": "default-src 'self'", "Cache-Control": "max-age=60"})

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError

    @app.get("/away")
    async def away() -> None:
        raise Unavailable("A part is away.")

    @app.post("/body")
    async def body(_given: str) -> None: ...

    return app


def client_of(app: FastAPI, host: str = "api.example.com") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"http://{host}")


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of the service with settings for CORS origins, allowed hosts and the size of bodies."""
    async with client_of(build(**SETTINGS)) as client:
        yield client


STATUSES: Mapping[str, tuple[str, str, int, dict[str, str]]] = {
    "a response": ("GET", "/fine", 200, {}),
    "a page": ("GET", "/docs", 200, {}),
    "a file": ("GET", "/docs/files/swagger-ui.css", 200, {}),
    "an unknown file": ("GET", "/docs/files/none", 404, {}),
    "an unknown path": ("GET", "/nowhere", 404, {}),
    "a wrong method": ("DELETE", "/fine", 405, {}),
    "a large body": ("POST", "/body", 413, {"Content-Length": "11"}),
    "a wrong value": ("POST", "/body", 422, {}),
    "a bug": ("GET", "/bug", 500, {}),
    "a part that is away": ("GET", "/away", 503, {}),
    "a preflight": ("OPTIONS", "/nowhere", 200, {"Access-Control-Request-Method": "PUT"}),
}
"""For each kind of response: method, path, status, and additional request headers."""


@pytest.mark.parametrize("kind", STATUSES)
async def test_every_status_has_the_security_headers_and_cors(client: httpx.AsyncClient, kind: str) -> None:
    method, path, status, headers = STATUSES[kind]
    answer = await client.request(method, path, headers=headers | {"Origin": PAGE})

    found = {name: answer.headers.get(name) for name in SECURITY}
    if kind == "a page":
        assert (found.pop("content-security-policy") or "").startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert (answer.status_code, found) == (status, {name: SECURITY[name] for name in found})
    assert (answer.headers["access-control-allow-origin"], "Origin" in answer.headers["vary"]) == (PAGE, True)
    assert "access-control-allow-credentials" not in answer.headers


@contextmanager
def full(bulkhead: Bulkhead) -> Iterator[None]:
    """Take all slots of a bulkhead, and allow no caller to wait."""
    before = bulkhead.max_queue, bulkhead.in_use
    bulkhead.max_queue, bulkhead.in_use = 0, bulkhead.max_concurrent
    yield
    bulkhead.max_queue, bulkhead.in_use = before


async def test_refused_load_has_them_too() -> None:
    app = build(**SETTINGS)
    admission = next(one for one in app.user_middleware if "bulkheads" in one.kwargs)
    async with client_of(app) as client:
        with full(admission.kwargs["bulkheads"]["others"]):  # type: ignore[index] # an untyped dict of Starlette
            answer = await client.get("/fine", headers={"Origin": PAGE})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_a_refusal_of_the_connection_stage_has_the_security_headers() -> None:
    head = copy_context().run(refusal_bytes, NO_ROOM, None).partition(b"\r\n\r\n")[0].split(b"\r\n")

    assert {b"%s: %s" % pair for pair in DEFAULT_HEADERS} <= set(head)


async def test_a_route_may_set_its_own_values(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/own")).headers

    assert headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert headers.get_list("cache-control") == ["max-age=60"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("origin", ["https://evil.test", "https://app.example.com.evil.test", "null", PAGE.upper(), ""])
async def test_a_page_of_a_different_site_gets_no_cors_headers(client: httpx.AsyncClient, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    read, preflight = await client.get("/fine", headers={"Origin": origin}), await client.options("/", headers=asked)

    assert "access-control-allow-origin" not in read.headers
    assert "access-control-allow-origin" not in preflight.headers


async def test_a_page_may_send_and_read_what_the_service_understands(client: httpx.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, if-match"}
    preflight = await client.options("/fine", headers=asked | {"Origin": PAGE})
    read = await client.get("/fine", headers={"Origin": PAGE})

    assert preflight.status_code == 200
    assert "RateLimit, RateLimit-Policy, Retry-After, X-Request-ID" in read.headers["access-control-expose-headers"]


async def test_without_the_settings_there_is_neither_cors_nor_a_check_of_the_name() -> None:
    app = build()
    async with client_of(app, "any.example") as client:
        answer = await client.get("/fine", headers={"Origin": PAGE})

    assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
    assert "access-control-allow-origin" not in answer.headers
    assert {one.cls.__name__ for one in app.user_middleware} & {"AllowedHosts", "CORSMiddleware"} == set()  # type: ignore[attr-defined] # `cls` is a class


async def test_credentials_are_for_the_named_origins_only() -> None:
    async with client_of(build(cors_origins=PAGE, cors_credentials=True)) as client:
        own = await client.get("/fine", headers={"Origin": PAGE})
        foreign = await client.get("/fine", headers={"Origin": "https://evil.test"})

    assert own.headers["access-control-allow-credentials"] == "true"
    assert (own.headers["access-control-allow-origin"], own.headers["vary"]) == (PAGE, "Origin")
    assert "access-control-allow-origin" not in foreign.headers

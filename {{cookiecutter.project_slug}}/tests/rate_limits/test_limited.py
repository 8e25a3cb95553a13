"""A rate limit on a router counts requests by principal or address, and answers 429 with the standard headers."""

from collections.abc import AsyncGenerator
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Header
from fastapi.requests import HTTPConnection

from app.rate_limits.gcra import Policy
from app.rate_limits.limited import address_of, limited, limited_by_address
from app.request.authenticated import Principal, get_principal
from tests.conftest import client_of
from tests.databases import make_settings
from tests.http_client import build_app, httpx


async def by_header(subject: Annotated[str, Header()]) -> Principal:
    """Return a principal from the request header `Subject`, which tests send instead of a token."""
    return Principal(subject, "client")


async def work() -> str:
    """Return the text `done`."""
    return "done"


@pytest.fixture
async def app(committed_url: str) -> AsyncGenerator[FastAPI]:
    """The service with rate-limited routes, including a route nested in three routers."""
    app, deepest, middle = build_app(make_settings(committed_url)), APIRouter(), APIRouter(prefix="/middle")
    deepest.add_api_route("/deepest", work)
    middle.include_router(deepest)
    outer = APIRouter(prefix="/outer", dependencies=[limited(Policy("three", quota=3, seconds=60))])
    outer.include_router(middle)
    outer.add_api_route("/near", work)
    app.include_router(outer)
    open_to_all = APIRouter(dependencies=[limited_by_address(Policy("open", quota=2, seconds=60))])
    open_to_all.add_api_route("/open", work)
    app.include_router(open_to_all)
    app.dependency_overrides[get_principal] = by_header
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of the service with rate-limited routes."""
    async with client_of(app) as client:
        yield client


async def statuses(client: httpx.AsyncClient, path: str, subject: str, requests: int) -> list[int]:
    return [(await client.get(path, headers={"Subject": subject})).status_code for _ in range(requests)]


async def test_all_routes_below_a_router_count_together_and_principals_count_apart(client: httpx.AsyncClient) -> None:
    first = await statuses(client, "/outer/middle/deepest", "Alice", 2)
    then = await statuses(client, "/outer/near", "Alice", 2)
    other = await statuses(client, "/outer/near", "Bob", 2)

    assert (first, then, other) == ([200, 200], [200, 429], [200, 200])


async def test_a_refusal_is_a_problem_that_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    await statuses(client, "/outer/near", "Alice", 3)
    refused = await client.get("/outer/near", headers={"Subject": "Alice"})

    assert (refused.status_code, refused.headers["Content-Type"]) == (429, "application/problem+json")
    assert refused.json() | {"request_id": ""} == {
        "type": "about:blank",
        "code": "too_many_requests",
        "title": "Too many requests",
        "status": 429,
        "detail": "More than 3 requests in 60 s. Try again later.",
        "request_id": "",
    }
    fields = {name: refused.headers[name] for name in ("Retry-After", "RateLimit-Policy", "RateLimit", "Cache-Control")}
    assert fields == {
        "Retry-After": "20",
        "RateLimit-Policy": '"three";q=3;w=60',
        "RateLimit": '"three";r=0;t=20',
        "Cache-Control": "no-store",
    }


async def test_a_subject_with_half_of_a_surrogate_pair_is_counted_too(app: FastAPI) -> None:
    async def odd() -> Principal:
        return Principal("\ud800", "client")

    app.dependency_overrides[get_principal] = odd
    async with client_of(app) as client:
        assert await statuses(client, "/outer/near", "", 4) == [200, 200, 200, 429]


async def test_a_route_without_a_principal_counts_addresses(app: FastAPI) -> None:
    def client(address: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=(address, 1)), base_url="http://service")

    async with client("192.0.2.1") as first, client("2001:db8::1") as second, client("2001:db8::2") as third:
        answers = [await statuses(one, "/open", "", 2) for one in (first, second)]
        refused = await statuses(first, "/open", "", 1) + await statuses(third, "/open", "", 1)

    assert answers == [[200, 200], [200, 200]]
    assert refused == [429, 429]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("1.2.3.4, 5.6.7.8", "unknown"),
        ("'; DROP TABLE rate_limits", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_address_of_a_client_is_an_address_or_a_network(host: str, address: str) -> None:
    assert address_of(HTTPConnection({"type": "http", "client": (host, 1)})) == address


def test_a_client_without_an_address_is_unknown() -> None:
    assert address_of(HTTPConnection({"type": "http", "client": None})) == "unknown"

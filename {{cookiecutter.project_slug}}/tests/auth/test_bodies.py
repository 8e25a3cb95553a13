"""A request without a usable token is refused before its body is read, whatever is wrong with the body."""

import pytest
from fastapi import FastAPI

from app.request.authenticated import needs
from tests.auth.test_routes import PUBLIC, operations, statuses
from tests.databases import make_settings
from tests.http_client import build_app, httpx
from tests.tokens import bearer


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_without_a_token_no_fault_of_a_body_is_told(app: FastAPI, client: httpx.AsyncClient, kind: str) -> None:
    called, headers = operations(app, PUBLIC), {"Content-Type": kind}

    assert await statuses(client, called, content=b"{", headers=headers, auth=None) == dict.fromkeys(called, 401)


async def test_the_bounds_of_bodies_come_before_the_token(app: FastAPI, client: httpx.AsyncClient) -> None:
    """A request without a token, whose body has a refused encoding, gets 415 (body limits), not 401.

    Body limits must protect the service's memory before a token is checked, and the 415 reveals nothing about a route.
    """
    called, headers = operations(app, PUBLIC), {"Content-Encoding": "gzip"}

    assert await statuses(client, called, content=b"{", headers=headers, auth=None) == dict.fromkeys(called, 415)


@pytest.mark.parametrize(
    ("path", "headers", "status"), [("/open", {}, 200), ("/guarded", {}, 401), ("/guarded", bearer(), 503)]
)
async def test_a_public_route_reads_its_body_without_the_keys_of_the_issuer(
    path: str, headers: dict[str, str], status: int
) -> None:
    """While the issuer's keys are missing, a public route reads a body, and a route that needs a token answers 503.

    FastAPI turns most errors that are raised while a body is read into a 400, which would hide the 503.
    """
    app = build_app(make_settings("postgresql://nobody@127.0.0.1:1/none"))

    async def size(numbers: list[int]) -> int:
        return len(numbers)

    app.add_api_route("/open", size, methods=["POST"])
    app.add_api_route("/guarded", size, methods=["POST"], dependencies=[needs()], name="guarded")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        answer = await client.request("POST", path, json=[1], headers=headers)

    assert answer.status_code == status

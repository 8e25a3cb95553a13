"""Access tokens under gunicorn: valid tokens are accepted while the issuer is down, and each route needs a token."""

import asyncio
import re
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.auth.test_routes import PUBLIC
from tests.http_client import httpx
from tests.server.processes import Service, gunicorn, serving
from tests.tokens import issuing

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

APP = "--pythonpath=tests/faults", "short_keys_app:app"
SECONDS = 60
"""The timeout of a request, in seconds: many times the duration that was measured on a busy machine."""

REQUESTS = 4
"""The number of requests after the issuer's end. Each request has a different token, since the service remembers the
tokens that it has checked."""


async def test_known_keys_are_used_while_the_issuer_is_dead(committed_url: str) -> None:
    async with AsyncExitStack() as stack, httpx.AsyncClient(timeout=SECONDS) as client:
        issuer = await stack.enter_async_context(issuing())
        form = {"grant_type": "client_credentials", "client_id": "tests"}
        answers = [(await client.post(f"{issuer}/token", data=form)).json() for _ in range(1 + REQUESTS)]
        variables = {"DOWNSTREAMS__ISSUER__BASE_URL": issuer, "WEB_CONCURRENCY": "1"}
        with gunicorn(committed_url, *APP, **variables) as service:
            service.wait_until_serving()
            statuses = []
            for answer in answers:
                headers = {"Authorization": f"Bearer {answer['access_token']}"}
                statuses.append((await client.get(f"{service.url}/me", headers=headers)).status_code)
                await stack.aclose()
                await asyncio.sleep(0.7)  # longer than 0.5 s, after which the service fetches the keys again

    assert statuses == [200] * (1 + REQUESTS)


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service of `short_keys_app.py` with one worker, which serves its OpenAPI document."""
    with serving(server_url, template, *APP, API_DOCS="true", WEB_CONCURRENCY="1") as running:
        yield running


async def test_a_request_without_a_token_reaches_no_route(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=SECONDS) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        calls = [(method, path) for path in paths.keys() - PUBLIC for method in paths[path]]
        found = {
            f"{method} {path}": (await client.request(method, re.sub(r"\{\w+\}", "1", path))).status_code
            for method, path in calls
        }

    assert found == dict.fromkeys(found, 401)
    assert "get /me" in found

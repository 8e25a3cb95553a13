"""A refused request leaves no reference cycle, which only the garbage collector could free."""

import asyncio
import gc
import weakref
from collections import Counter

import pytest
from starlette.types import Message

from app.request.authenticated import needs
from app.settings.route_groups import RouteGroup, RouteGroupsSettings
from tests.databases import make_settings
from tests.fakes import Fakes
from tests.http_client import build_app
from tests.tokens import answer_keys, bearer
from tests.web.test_middleware import WatchedScope, receive, scope_of

WITHOUT_DEADLINE = RouteGroupsSettings(others=RouteGroup(deadline_seconds=0))
"""Route group settings without a deadline, for a test of the memory that requests leave. asyncio keeps a deadline's
cancelled timer for a while, and the timer's context holds the ASGI scope of the request."""

REQUESTS = 20

TOKENS: dict[str, dict[str, str]] = {
    "no token": {},
    "letters that no token has": {"Authorization": "Bearer secret"},
    "an expired token": bearer(iat=900, exp=1000),
    "a wrong signature": {"Authorization": bearer()["Authorization"][:-9] + "AAAAAAAAA"},
    "too few scopes": bearer(scope="other"),
}


@pytest.mark.parametrize("given", TOKENS)
async def test_the_memory_of_a_refused_request_is_free_at_its_end(shared_url: str, fakes: Fakes, given: str) -> None:
    fakes["issuer"] = answer_keys
    app = build_app(make_settings(shared_url, route_groups=WITHOUT_DEADLINE))
    app.add_api_route("/guarded", lambda: None, dependencies=[needs("reports:read")])
    statuses, scopes = Counter[int](), list[weakref.ref[WatchedScope]]()

    async def send(message: Message) -> None:
        statuses[message.get("status", 0)] += 1

    async def ask() -> None:
        scope = WatchedScope(scope_of("/guarded"))
        scope["headers"] = [(name.lower().encode(), value.encode()) for name, value in TOKENS[given].items()]
        scopes.append(weakref.ref(scope))
        await app(scope, receive, send)

    async with app.router.lifespan_context(app):
        await ask()  # this first request, which fetches the issuer's keys, is not counted
        await asyncio.sleep(0)  # lets the background tasks of the lifespan begin
        gc.disable()
        try:
            for _ in range(REQUESTS):
                await ask()
            kept = sum(scope() is not None for scope in scopes[1:])
        finally:
            gc.enable()

    assert (kept, statuses[401] + statuses[403]) == (0, 1 + REQUESTS)

"""The load of the console has an access token of the development issuer: the service refuses requests without one."""

import asyncio
from contextlib import AsyncExitStack

from fastapi import FastAPI

from app.main import create_app
from app.request.authenticated import PrincipalDep
from devtools.console.console import Console
from tests.databases import make_settings
from tests.http_client import httpx
from tests.serving import served
from tests.tokens import issuing


def add_route(service: FastAPI) -> None:
    """Add a route that needs an access token."""

    @service.get("/name")
    async def name(principal: PrincipalDep) -> str:
        return principal.subject


async def load(console: Console, url: str) -> str:
    """Send a load as the console's page does, and return the summary of the responses."""
    async with httpx.AsyncClient(base_url=url) as http:
        assert (await http.post("/_console/flip", json={"load": "/name"})).status_code == 204
    while not console.load.summary().startswith("100 of 100"):  # noqa: ASYNC110 - polls: the threads of a load set no asyncio.Event
        await asyncio.sleep(0.05)
    return console.load.summary()


async def test_a_load_is_signed_in_also_after_the_issuer_has_ended(committed_url: str) -> None:
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(issuing())
        settings = make_settings(committed_url, downstreams={"issuer": {"base_url": issuer}})
        service = create_app(settings)
        add_route(service)
        console = Console(service, settings)
        async with service.router.lifespan_context(service), served(console) as url:  # type: ignore[arg-type] # the console is an ASGI application too
            first = await load(console, url)
            await stack.aclose()
            second = await load(console, url)

    assert (first, second) == ("100 of 100 answers of /name: 100 x 200",) * 2

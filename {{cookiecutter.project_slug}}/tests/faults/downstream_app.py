"""The service with four downstreams, each with a route and a route group; tests run the app under gunicorn.

- `bad`: a test makes this downstream misbehave.
- `good`: a healthy downstream, whose callers must not notice the misbehaviour of `bad`.
- `unresolved`: the look-up of its host name blocks until a test calls `/resolve`, as with a slow DNS server.
- `failing`: its circuit breaker never opens, since an open circuit breaker would prevent the retries under test.
"""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from pydantic import HttpUrl

from app.downstreams.client import Client
from app.downstreams.downstream import Downstream
from app.main import create_app
from app.settings.downstreams import DownstreamSettings
from app.settings.load import load_settings
from app.settings.route_groups import PATHS, RouteGroup, RouteGroupsSettings

HOSTS = {"bad": "127.0.0.1", "good": "localhost", "unresolved": "unresolved.invalid", "failing": "127.0.0.1"}
"""The host of each downstream; `localhost` is a name, so that calls to `good` need a DNS look-up."""

NEVER = 10**9
"""The number of calls before the circuit breaker of `failing` may open: more than any test makes."""


class DownstreamRouteGroups(RouteGroupsSettings):
    """The route groups of the service, and a route group for each downstream, so that each route has a bulkhead."""

    bad: RouteGroup = RouteGroup()
    good: RouteGroup = RouteGroup()
    unresolved: RouteGroup = RouteGroup()
    failing: RouteGroup = RouteGroup()


assert isinstance(PATHS, dict)
PATHS.update({name: (f"/{name}",) for name in HOSTS})
app = create_app(load_settings().model_copy(update={"route_groups": DownstreamRouteGroups()}))
opened: dict[str, Downstream] = {}
resolvable = threading.Event()
service_lifespan = app.router.lifespan_context
system_getaddrinfo = socket.getaddrinfo


def blocking_getaddrinfo(host: str | bytes, *details: Any, **named: Any) -> list[Any]:  # noqa: ANN401 - the arguments of socket.getaddrinfo
    """Resolve a host name; the look-up of `unresolved.invalid` blocks a thread until a test calls `/resolve`."""
    if host in {HOSTS["unresolved"], HOSTS["unresolved"].encode()}:
        resolvable.wait()
        host = "127.0.0.1"
    return system_getaddrinfo(host, *details, **named)


def use_a_slow_dns_server() -> None:
    """Make the DNS look-ups of `socket` and of the event loop block, as with a slow DNS server."""
    socket.getaddrinfo = blocking_getaddrinfo  # type: ignore[assignment] # a stub of the DNS lookup
    loop = asyncio.get_running_loop()

    async def getaddrinfo(host: str | bytes, port: int, **details: int) -> list[Any]:
        ordered = (details.get(name, 0) for name in ("family", "type", "proto", "flags"))
        return await loop.run_in_executor(None, blocking_getaddrinfo, host, port, *ordered)

    loop.getaddrinfo = getaddrinfo  # type: ignore[assignment,method-assign] # a stub of the DNS lookup


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the four downstreams at the ports of DOWNSTREAM_PORTS, after the resources of the service."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service_lifespan(app))
        use_a_slow_dns_server()
        for (name, host), port in zip(HOSTS.items(), os.environ["DOWNSTREAM_PORTS"].split(), strict=True):
            settings = DownstreamSettings(base_url=HttpUrl(f"http://{host}:{port}"))
            if name == "failing":
                settings = settings.model_copy(update={"breaker_min_calls": NEVER})
            opened[name] = Downstream(name, await stack.enter_async_context(Client(name, settings)), settings)
        yield


app.router.lifespan_context = lifespan


@app.get("/bad")
async def call_the_bad_downstream() -> int:
    """Call the downstream `bad`, which a test makes misbehave."""
    answer: int = await opened["bad"].get_json("items")
    return answer


@app.get("/good")
async def call_the_good_downstream() -> int:
    """Call the downstream `good`, which is always healthy."""
    answer: int = await opened["good"].get_json("items")
    return answer


@app.get("/unresolved")
async def call_the_unresolved_downstream() -> int:
    """Call the downstream `unresolved`, whose DNS look-up blocks until a test calls `/resolve`."""
    answer: int = await opened["unresolved"].get_json("items")
    return answer


@app.get("/failing")
async def call_the_failing_downstream() -> int:
    """Call the downstream `failing`, whose circuit breaker never opens."""
    answer: int = await opened["failing"].get_json("items")
    return answer


@app.get("/echo")
async def call_the_good_downstream_with_a_segment(part: str) -> str:
    """Call the downstream `good` with a path segment, and return the request target that it received."""
    target: str = await opened["good"].get_json("echo", part, params={"part": part})
    return target


@app.get("/resolve")
async def resolve() -> None:
    """End the blocked DNS look-ups: from now on, the host name `unresolved.invalid` resolves to 127.0.0.1."""
    resolvable.set()

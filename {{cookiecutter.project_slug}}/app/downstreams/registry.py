"""Open all downstreams that the settings name; `lifespan.py` keeps them open."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from app.downstreams.client import Downstream, build_client, httpx
from app.settings import DownstreamSettings, DownstreamsSettings

Downstreams = Mapping[str, Downstream]
Transports = Callable[[str], httpx.AsyncBaseTransport | None]


def over_the_network(_name: str) -> None:
    """Let each client open its own connections; tests pass a function that returns a `MockTransport` instead."""


@asynccontextmanager
async def open_downstreams(settings: DownstreamsSettings, transports: Transports) -> AsyncGenerator[Downstreams]:
    """Open one client for each field of the settings, by its name, and close them in reverse."""
    async with AsyncExitStack() as stack:
        opened: dict[str, Downstream] = {}
        for name in type(settings).model_fields:
            one: DownstreamSettings = getattr(settings, name)
            client = await stack.enter_async_context(build_client(one, transports(name)))
            opened[name] = Downstream(name, client, asyncio.Semaphore(one.concurrency), one.total_seconds)
        yield opened

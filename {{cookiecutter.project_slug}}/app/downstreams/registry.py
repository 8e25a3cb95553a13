"""Open all downstreams that the settings name; `lifespan.py` keeps them open."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from app.downstreams.client import Client, httpx
from app.downstreams.downstream import Downstream
from app.downstreams.settings import DownstreamSettings, DownstreamsSettings

Downstreams = Mapping[str, Downstream]
Transports = Callable[[str], httpx.AsyncBaseTransport | None]


def over_the_network(_name: str) -> None:
    """Let each client open its own connections; tests pass a function that returns a `MockTransport` instead."""


@asynccontextmanager
async def open_downstreams(
    settings: DownstreamsSettings,
    transports: Transports,
    draining: Callable[[], bool] = bool,
    *,
    development: bool = False,
) -> AsyncGenerator[Downstreams]:
    """Open one client for each field of the settings, by its name, and close them in reverse."""
    async with AsyncExitStack() as stack:
        opened: dict[str, Downstream] = {}
        for name in type(settings).model_fields:
            one: DownstreamSettings = getattr(settings, name)
            client = await stack.enter_async_context(Client(name, one, transports(name)))
            opened[name] = Downstream(name, client, one, draining=draining, development=development)
        yield opened

"""The registry of downstreams: opens an HTTP client for each downstream at the start, and closes all at the end."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from app.downstreams.client import Client, httpx
from app.downstreams.downstream import Downstream
from app.errors import CannotStart
from app.request.detached import detached
from app.settings.downstreams import DownstreamSettings, DownstreamsSettings

Downstreams = Mapping[str, Downstream]
Transports = Callable[[str], httpx.AsyncBaseTransport | None]
"""The type of a function that returns the HTTP transport for the name of a downstream. None means the network; tests
return a `MockTransport`."""


class AuthoritiesError(CannotStart):
    """The file of certificate authorities that SSL_CERT_FILE names cannot be read, so the service must not start."""


def over_the_network(_name: str) -> None:
    """Return None for every downstream, so that HTTP clients use the network; tests pass a different function."""


@asynccontextmanager
async def open_downstreams(
    settings: DownstreamsSettings,
    transports: Transports,
    draining: Callable[[], bool] = bool,
    *,
    development: bool = False,
) -> AsyncGenerator[Downstreams]:
    """Open a `Downstream` for each field of the settings, by name; at the end, close the clients in reverse order.

    Raises:
        AuthoritiesError: SSL_CERT_FILE names no readable file of certificates.
    """
    async with AsyncExitStack() as stack:
        opened: dict[str, Downstream] = {}
        for name in type(settings).model_fields:
            own: DownstreamSettings = getattr(settings, name)
            try:
                client = await stack.enter_async_context(Client(name, own, transports(name)))
            except OSError as error:
                raise AuthoritiesError("SSL_CERT_FILE names no readable file of certificates.") from error
            opened[name] = Downstream(name, client, own, draining=draining, development=development)
            opened[name].cache.context_of_load = detached
        yield opened

"""What moves the bytes under httpx2: its own connections, to addresses that are looked up here.

By itself it looks the name up for each connection, in threads that the whole process shares (uvloop has four of them):
one name that is not answered for, and nobody connects to anything. Here each downstream has a thread of its own.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from ipaddress import ip_address
from time import monotonic
from typing import Any

# {% if cookiecutter.http_client == "httpx2" %}import httpx2 as httpx{{ "\n" }}
# {% else %}
import httpx

# {% endif %}
# isort: split
from app.downstreams.settings import DownstreamSettings

FRESH_SECONDS = 10.0
"""How long an address is used without another look; as long as aiohttp does."""


LookUp = Callable[..., list[Any]]
"""Takes and returns what `socket.getaddrinfo` does."""


class Names:
    """Looks names up in one thread; all who need one wait for the same look-up, and leave it when they have no time."""

    def __init__(self, look_up: LookUp | None = None) -> None:
        """Prepare.

        Args:
            look_up: does it; by default the operating system does.
        """
        self._ask = look_up or socket.getaddrinfo
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="names")
        self._looking: asyncio.Future[tuple[str, ...]] | None = None
        self._found: tuple[str, ...] = ()
        self._fresh_until = 0.0

    async def addresses(self, host: str, seconds: float) -> tuple[str, ...]:
        """Return the addresses of the downstream's host, the preferred one first.

        Raises:
            TimeoutError: that took longer than so many seconds.
            OSError: there is none.
        """
        if monotonic() < self._fresh_until:
            return self._found
        if self._looking is None:
            self._looking = asyncio.get_running_loop().run_in_executor(self._thread, self._look_up, host)
            self._looking.add_done_callback(self._looked)
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._looking)

    def put_last(self, address: str) -> None:
        """Try the others first from now on."""
        if address in self._found:
            self._found = (*(one for one in self._found if one != address), address)

    def forget(self) -> None:
        """Look again for the next call."""
        self._fresh_until = 0.0

    def _look_up(self, host: str) -> tuple[str, ...]:
        found = self._ask(host, None, type=socket.SOCK_STREAM)
        self._found = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
        self._fresh_until = monotonic() + FRESH_SECONDS
        return self._found

    def _looked(self, looking: asyncio.Future[tuple[str, ...]]) -> None:
        self._looking = None
        if not looking.cancelled():
            looking.exception()  # or it would be a warning when nobody waits any more


class Transport(httpx.AsyncBaseTransport):
    """Sends each request to an address; the server and its certificate are still asked for by name."""

    def __init__(self, settings: DownstreamSettings, names: Names) -> None:
        """Prepare; a connection is opened by the first call."""
        limits = httpx.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
        self._connections = httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=limits)
        self._connect_seconds = settings.connect_seconds
        self._names = names

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; when nobody can be reached at one address, at the next."""
        host = request.url.host
        if _is_address(host):
            return await self._connections.handle_async_request(request)
        try:
            *others, last = await self._names.addresses(host, self._connect_seconds)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("its name was not found in time", request=request) from error
        except OSError as error:
            raise httpx.ConnectError("its name was not found", request=request) from error
        for address in others:
            try:
                return await self._connections.handle_async_request(_at(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                self._names.put_last(address)
        try:
            return await self._connections.handle_async_request(_at(last, request))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            self._names.forget()
            raise

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()


def build_transport(settings: DownstreamSettings) -> Transport:
    """Build the connections to one downstream."""
    return Transport(settings, Names())


@cache
def _tls() -> ssl.SSLContext:
    """Return one context for all: each would read all certificate authorities again, 20 ms and 0.7 MB."""
    return httpx.create_ssl_context(trust_env=False)


def _at(address: str, request: httpx.Request) -> httpx.Request:
    """Return the same request with another way to it; its Host header is there since it was built."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions | {"sni_hostname": request.url.host},
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

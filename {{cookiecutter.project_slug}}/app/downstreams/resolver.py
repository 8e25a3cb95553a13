"""The transport under httpx2: resolves the host name of each downstream in a separate thread.

By default, httpx2 resolves host names in a few threads that the whole process shares (uvloop has four). When the name
server does not answer for one host name, these threads fill up, and no connection to any host can be opened.
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
from app.settings.downstreams import DownstreamSettings

FRESH_SECONDS = 10.0
"""How many seconds the resolved addresses of a host are used before the next DNS look-up; aiohttp has the same
default."""


LookUp = Callable[..., list[Any]]
"""The signature of `socket.getaddrinfo`; tests pass a function that resolves names without DNS."""


class Resolver:
    """A DNS resolver with one thread: concurrent callers share one look-up (single flight), each with a timeout."""

    def __init__(self, look_up: LookUp | None = None) -> None:
        """Prepare the resolver of one host; the host name is not looked up before the first call.

        Args:
            look_up: resolves a name; by default the operating system does.
        """
        self._ask = look_up or socket.getaddrinfo
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="resolver")
        self._looking: asyncio.Future[tuple[str, ...]] | None = None
        self._found: tuple[str, ...] = ()
        self._fresh_until = 0.0

    async def addresses(self, host: str, seconds: float) -> tuple[str, ...]:
        """Return the IP addresses of a host, the preferred address first.

        Raises:
            TimeoutError: the look-up took longer than `seconds`.
            OSError: the name has no address.
        """
        if monotonic() < self._fresh_until:
            return self._found
        if self._looking is None:
            self._looking = asyncio.get_running_loop().run_in_executor(self._thread, self._look_up, host)
            self._looking.add_done_callback(self._looked)
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._looking)

    def put_last(self, address: str) -> None:
        """Move an IP address that refused a connection to the end, so that the next call tries a different address."""
        if address in self._found:
            self._found = (*(found for found in self._found if found != address), address)

    def forget(self) -> None:
        """Forget the addresses of the host, as none accepts a connection; the next call resolves the name again."""
        self._fresh_until = 0.0

    def _look_up(self, host: str) -> tuple[str, ...]:
        found = self._ask(host, None, type=socket.SOCK_STREAM)
        self._found = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
        self._fresh_until = monotonic() + FRESH_SECONDS
        return self._found

    def _looked(self, looking: asyncio.Future[tuple[str, ...]]) -> None:
        self._looking = None
        if not looking.cancelled():
            # reading the exception keeps asyncio from logging a failed look-up whose callers have all timed out
            looking.exception()


class Transport(httpx.AsyncBaseTransport):
    """An httpx2 transport that connects to resolved IP addresses; the Host header and TLS keep the host name."""

    def __init__(self, settings: DownstreamSettings, resolver: Resolver) -> None:
        """Prepare the connection pool of a downstream; the first call opens a connection."""
        limits = httpx.Limits(
            max_connections=settings.max_concurrent, max_keepalive_connections=settings.max_concurrent
        )
        self._connections = httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=limits)
        self._connect_seconds = settings.connect_timeout_seconds
        self._resolver = resolver

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first IP address of the host that accepts a connection."""
        host = request.url.host
        if _is_address(host):
            return await self._connections.handle_async_request(request)
        try:
            *others, last = await self._resolver.addresses(host, self._connect_seconds)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("its name was not found in time", request=request) from error
        except OSError as error:
            raise httpx.ConnectError("its name was not found", request=request) from error
        for address in others:
            try:
                return await self._connections.handle_async_request(_at(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                self._resolver.put_last(address)
        try:
            return await self._connections.handle_async_request(_at(last, request))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            self._resolver.forget()
            raise

    async def aclose(self) -> None:
        """Close all connections to the downstream."""
        await self._connections.aclose()


def build_transport(settings: DownstreamSettings) -> Transport:
    """Build the httpx2 transport of one downstream, with a separate resolver."""
    return Transport(settings, Resolver())


@cache
def _tls() -> ssl.SSLContext:
    """Return the TLS context that all downstreams share: loading the certificate authorities takes 20 ms, 0.7 MB."""
    return httpx.create_ssl_context(trust_env=True)  # respects SSL_CERT_FILE and SSL_CERT_DIR, and no proxy variables


def _at(address: str, request: httpx.Request) -> httpx.Request:
    """Return a copy of the request with an IP address in place of the host; the Host header and TLS keep the name."""
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

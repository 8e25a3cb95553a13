"""The transport under httpx: aiohttp's connection pool, which sends the bytes of a request just as httpx built them.

The connection pool of httpx 0.28 does not survive cancelled calls: after a few seconds of cancellations no call gets a
connection. aiohttp's pool survives cancelled calls, and serves several times as many calls.

Left alone, aiohttp parses a URL again, which undoes the escapes of characters such as `;` and `&`, adds headers,
repeats a request whose connection ends, and waits without a timeout for a downstream that does not read the body.
`httpx-aiohttp`, the usual adapter, leaves all of that as it is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import cache, cached_property, partial
from ssl import SSLContext

import aiohttp
import httpx
from yarl import URL

from app.settings.downstreams import DownstreamSettings

ERRORS = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.SocketTimeoutError, httpx.ReadTimeout),
    (TimeoutError, httpx.WriteTimeout),  # only `_RequestBody` raises a plain TimeoutError
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)
"""The httpx error for each error of aiohttp; the first row that fits is used."""


class Transport(httpx.AsyncBaseTransport):
    """An httpx transport that sends each request once, unchanged, through aiohttp's connection pool."""

    def __init__(self, settings: DownstreamSettings) -> None:
        """Prepare the connection pool of a downstream; the first call opens a connection."""
        self._connector = partial(aiohttp.TCPConnector, limit=settings.max_concurrent, ssl=_tls())

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        """The session of aiohttp, opened by the first call, as a session belongs to the running event loop."""
        return aiohttp.ClientSession(
            connector=self._connector(),
            cookie_jar=aiohttp.DummyCookieJar(),  # a cookie set in one call must not be sent with the next call
            skip_auto_headers=("Content-Type",),  # aiohttp adds it last, to the headers that `_send_once` has set
            auto_decompress=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request with a body of bytes, and return the response once the headers of the response have come."""
        seconds = request.extensions.get("timeout", {})
        response = await self._session.request(
            request.method,
            URL(str(request.url), encoded=True),
            data=_RequestBody(request.content, seconds.get("write")) if request.content else None,
            timeout=aiohttp.ClientTimeout(connect=seconds.get("connect"), sock_read=seconds.get("read")),
            allow_redirects=False,
            middlewares=(partial(_send_once, request),),
        )
        return httpx.Response(response.status, headers=response.raw_headers, stream=_ResponseBody(response))

    async def aclose(self) -> None:
        """Close all connections to the downstream."""
        await self._session.close()


async def _send_once(
    built: httpx.Request, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request once, with the headers that httpx built and no further header.

    aiohttp would silently repeat a request whose connection ends, PUT and DELETE too, but not after an error of httpx.
    Retries are decided in `attempts.py`, within the retry budget and with a number on each attempt.
    """
    request.headers.clear()
    for name, value in built.headers.raw:
        request.headers.add(name.decode(), value.decode())
    with _httpx_errors():
        return await handler(request)


class _RequestBody(aiohttp.BytesPayload):
    """The body of a request, with the write timeout that aiohttp lacks."""

    def __init__(self, content: bytes, seconds: float | None) -> None:
        super().__init__(content)
        self._seconds = seconds

    async def write_with_length(self, writer: aiohttp.abc.AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body to the connection, within the write timeout."""
        async with asyncio.timeout(self._seconds):
            await super().write_with_length(writer, content_length)


class _ResponseBody(httpx.AsyncByteStream):
    """The body of a response, read from aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        """Close the connection, unless the whole body was read and the connection is back in the pool."""
        self._response.close()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Raise the httpx error that fits an error of aiohttp."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        fitting = next(of_httpx for of_aiohttp, of_httpx in ERRORS if isinstance(error, of_aiohttp))
        raise fitting(str(error)) from error


def build_transport(settings: DownstreamSettings) -> Transport:
    """Build the aiohttp transport of one downstream; the first call opens a connection in the running event loop."""
    return Transport(settings)


@cache
def _tls() -> SSLContext:
    """Return a TLS context for all downstreams to share: each context takes 20 ms and 0.7 MB for the authorities."""
    return httpx.create_ssl_context(trust_env=True)  # SSL_CERT_FILE and SSL_CERT_DIR, not the proxies

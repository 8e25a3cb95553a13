"""The transport under httpx: aiohttp's connection pool, which sends the bytes of a request just as httpx built them.

The connection pool of httpx 0.28 does not survive cancelled calls: after a few seconds of cancellations no call gets a
connection. aiohttp's pool survives cancelled calls, and serves several times as many calls.

This module switches off four habits of aiohttp, which `httpx-aiohttp`, the usual adapter, leaves on: aiohttp parses a
URL again, which undoes the escapes of characters such as `;` and `&`; adds headers; sends a request again when the
connection ends; and waits without a timeout for a downstream that does not read the request body.
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
    # a plain TimeoutError is from `_RequestBody`, when the request body is not sent in time
    (TimeoutError, httpx.WriteTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)
"""Maps each error of aiohttp to an error of httpx; the first row whose aiohttp class fits is used."""


class Transport(httpx.AsyncBaseTransport):
    """An httpx transport that sends each request once, unchanged, through aiohttp's connection pool."""

    def __init__(self, settings: DownstreamSettings) -> None:
        """Prepare the connection pool of a downstream; no connection is opened before the first call."""
        self._connector = partial(aiohttp.TCPConnector, limit=settings.max_concurrent, ssl=_tls())

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        """The session of aiohttp, created at the first call, because a session belongs to the running event loop."""
        return aiohttp.ClientSession(
            connector=self._connector(),
            cookie_jar=aiohttp.DummyCookieJar(),  # a cookie set in one call must not be sent with the next call
            skip_auto_headers=("Content-Type",),  # aiohttp would add a Content-Type that httpx did not send
            auto_decompress=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is bytes, and return the response as soon as the headers have arrived."""
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
    """Send a request once, with exactly the headers that httpx built.

    When a connection ends, aiohttp would silently send the request again, even a PUT or DELETE. An error of httpx that
    is raised here prevents the repetition. `attempts.py` decides about retries, within the retry budget.
    """
    request.headers.clear()
    for name, value in built.headers.raw:
        request.headers.add(name.decode(), value.decode())
    with _httpx_errors():
        return await handler(request)


class _RequestBody(aiohttp.BytesPayload):
    """A request body that is written within the write timeout; aiohttp itself has no timeout for writing."""

    def __init__(self, content: bytes, seconds: float | None) -> None:
        super().__init__(content)
        self._seconds = seconds

    async def write_with_length(self, writer: aiohttp.abc.AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body to the connection, within the write timeout."""
        async with asyncio.timeout(self._seconds):
            await super().write_with_length(writer, content_length)


class _ResponseBody(httpx.AsyncByteStream):
    """A response body that httpx reads from aiohttp's connection, chunk by chunk."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        """Close the response; the connection stays in the pool only if the whole body has been read."""
        self._response.close()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Raise the matching error of httpx for each error of aiohttp in the `with` block."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        fitting = next(of_httpx for of_aiohttp, of_httpx in ERRORS if isinstance(error, of_aiohttp))
        raise fitting(str(error)) from error


def build_transport(settings: DownstreamSettings) -> Transport:
    """Build the aiohttp transport of one downstream; no connection is opened before the first call."""
    return Transport(settings)


@cache
def _tls() -> SSLContext:
    """Return the TLS context that all downstreams share: loading the certificate authorities takes 20 ms, 0.7 MB."""
    return httpx.create_ssl_context(trust_env=True)  # respects SSL_CERT_FILE and SSL_CERT_DIR, and no proxy variables

"""What moves the bytes under httpx: aiohttp's connections.

httpx 0.28 brings connections of its own, and they do not survive callers that leave: after a few seconds of calls that
were cut off, no later call gets one. aiohttp's do, and serve several times as many calls.
"""

import ssl
from functools import cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from app.downstreams.settings import DownstreamSettings


class Transport(AiohttpTransport):
    """Names errors what they are: the adapter takes a lost connection for a timeout, and lets some pass as they are."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        try:
            return await super().handle_async_request(request)
        except httpx.ConnectTimeout as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            raise httpx.ConnectError(str(error)) from error
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError(str(error)) from error


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request; aiohttp would send it once more when its connection ends, PUT and DELETE too.

    What is sent again and how often is decided in `downstream.py`, by the budget and with a number on each attempt.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error  # which it leaves alone


def build_transport(settings: DownstreamSettings) -> Transport:
    """Build the connections to one downstream; the first call opens them, as aiohttp wants a running event loop."""
    context = _tls()

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.concurrency, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),  # a cookie of one caller's call must not go with the next one's
            skip_auto_headers=("User-Agent",),
            middlewares=(_send_once,),
        )

    return Transport(trust_env=False, verify=context, client=session)


@cache
def _tls() -> ssl.SSLContext:
    """Return one context for all: each would read all certificate authorities again, 20 ms and 0.7 MB."""
    return httpx.create_ssl_context(trust_env=False)

"""HTTP client of one downstream: sends a request and reads a bounded response. Exports the HTTP library as `httpx`."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

# {% if cookiecutter.http_client == "httpx2" %}import httpx2 as httpx{{ "\n" }}
# {% else %}
import httpx

from app.downstreams.transport import build_transport

# {% endif %}
# isort: split
# {% if cookiecutter.http_client == "httpx2" %}from app.downstreams.resolver import build_transport
# {% endif %}
from app.errors import DownstreamBadResponse, DownstreamTimedOut, DownstreamUnavailable
from app.settings.downstreams import DownstreamSettings

__all__ = ["Answer", "Call", "Client", "httpx"]

IDENTITY = "identity"
LEAVES_BASE_URL = re.compile(r"^/|[:?#]|(^|/)\.\.?(/|$)")
"""The form of a refused path: a path that leads away from the base URL, or a path with a query, which httpx drops."""

NO_ADDRESS = "http://address-not-set.invalid"
"""Stands for a downstream without an address, in development only: the top-level domain .invalid never resolves."""


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request to a downstream."""

    method: str
    path: str
    """The percent-encoded path below the base URL of the downstream."""
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The HTTP response of a downstream, with the whole body."""

    status: int
    headers: Mapping[str, str]
    """The headers of the response; a look-up ignores the case of the name."""
    body: bytes


class Client:
    """The HTTP client of one downstream, with a separate connection pool."""

    def __init__(
        self, name: str, settings: DownstreamSettings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Prepare the HTTP client; the first call opens a connection.

        Args:
            name: the name of the downstream, for errors.
            settings: the address, timeouts and bounds of the downstream.
            transport: replaces the network; tests pass a `MockTransport`.
        """
        self.name = name
        self._max_bytes = settings.max_bytes
        limit = settings.max_concurrent
        # refuse compression: a few kilobytes may unpack to gigabytes, and inside a data centre that saves little
        headers = settings.own_headers | {"Accept-Encoding": IDENTITY}
        self._client = httpx.AsyncClient(
            base_url=str(settings.base_url or NO_ADDRESS),
            headers=headers,
            # As many connections as the bulkhead admits calls: with fewer, calls would queue again here or reconnect.
            limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
            timeout=httpx.Timeout(settings.read_timeout_seconds, connect=settings.connect_timeout_seconds),
            follow_redirects=False,  # the settings choose the host of a call, never the response of a downstream
            trust_env=False,  # the settings choose the host of a call, never HTTP_PROXY
            # no cookies: a cookie set in one caller's call must not be sent with the call of a different caller
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            transport=transport or build_transport(settings),
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__()

    async def send(self, call: Call) -> Answer:
        """Send a request once and read the whole response.

        Raises:
            ValueError: the path would lead away from the base URL, or has a query.
            DownstreamTimedOut: the downstream reached a connect or read timeout.
            DownstreamUnavailable: there is no connection, or it ended before the response did.
            DownstreamBadResponse: the response is too large, or compressed although the request forbids compression.
        """
        if LEAVES_BASE_URL.search(call.path):
            raise ValueError("A path stands below the base URL and has no address or query of its own.")
        try:
            async with self._client.stream(
                call.method, call.path, params=dict(call.params), content=call.content, headers=dict(call.headers)
            ) as response:
                return Answer(response.status_code, response.headers, await self._read(response))
        except httpx.TimeoutException as error:
            raise DownstreamTimedOut(self.name, "it did not go on in time.") from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise DownstreamUnavailable(self.name, "it did not answer properly.") from error
        except httpx.HTTPError as error:
            # the log names the class of the cause: a certificate that is not trusted must not look like a dead host
            raise DownstreamUnavailable(self.name, "it cannot be reached.") from _tls_error(error) or error

    async def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", IDENTITY) != IDENTITY:
            raise DownstreamBadResponse(self.name, "its response is compressed, against the request.")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                raise DownstreamBadResponse(self.name, f"its response is larger than {self._max_bytes:,} bytes.")
        return bytes(body)


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return the TLS error among the causes of an error, such as a certificate of an unknown authority, or None."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error

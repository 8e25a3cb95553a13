"""HTTP client of one downstream: sends a request once, and reads a response of bounded size.

The other modules of `app.downstreams` import the HTTP library from this module, as it may be httpx or httpx2.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import import_module
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
"""Matches a path that would lead outside the base URL of the downstream, or that has a query, which httpx would drop.
`Client.send` refuses these paths."""

NO_ADDRESS = "http://address-not-set.invalid"
"""The placeholder for the address of a downstream that has no address in the settings, which is allowed in development
only. Every call then fails at once, as the top-level domain .invalid never resolves."""


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
    """The headers of the response; look-ups ignore upper and lower case."""
    body: bytes


class Client:
    """The HTTP client of one downstream, with a separate connection pool."""

    def __init__(
        self, name: str, settings: DownstreamSettings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Prepare the HTTP client; no connection is opened before the first call.

        Args:
            name: the name of the downstream, for errors.
            settings: the address, timeouts and bounds of the downstream.
            transport: replaces the network transport; tests pass a `MockTransport`.
        """
        self.name = name
        self._max_bytes = settings.max_bytes
        limit = settings.max_concurrent
        # Ask for uncompressed responses: a few compressed kilobytes may unpack to gigabytes.
        headers = settings.own_headers | {"Accept-Encoding": IDENTITY}
        self._client = httpx.AsyncClient(
            base_url=str(settings.base_url or NO_ADDRESS),
            headers=headers,
            # As many connections as the bulkhead admits calls: with fewer, a call would wait again in the HTTP pool.
            limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
            timeout=httpx.Timeout(settings.read_timeout_seconds, connect=settings.connect_timeout_seconds),
            follow_redirects=False,  # a redirect could lead to a host that is not in the settings
            trust_env=False,  # ignore HTTP_PROXY, which could lead to a host that is not in the settings
            # Refuse all cookies: a cookie that one caller got must not be sent with the call of a different caller.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            transport=transport or build_transport(settings),
        )

    def instrument(self, tracer_provider: object) -> None:
        """Record an OpenTelemetry span for each call, and send the id of the span to the downstream.

        OpenTelemetry's usual instrumentation of all clients at once replaces methods of httpx's own transports, which
        this client does not use. The package is imported by name, because most processes record no traces.
        """
        instrumentors = import_module("opentelemetry.instrumentation.httpx")
        instrumentor = getattr(instrumentors, f"{httpx.__name__.upper()}ClientInstrumentor")
        instrumentor.instrument_client(self._client, tracer_provider=tracer_provider)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__()

    async def send(self, call: Call) -> Answer:
        """Send a request once and read the whole response.

        Raises:
            ValueError: the path would lead away from the base URL, or has a query.
            DownstreamTimedOut: the connect timeout or the read timeout was reached.
            DownstreamUnavailable: no connection could be opened, or the connection ended before the response did.
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
            raise DownstreamTimedOut(self.name, "it did not respond in time.") from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise DownstreamUnavailable(self.name, "it did not answer properly.") from error
        except httpx.HTTPError as error:
            tls = _tls_error(error)
            raise DownstreamUnavailable(self.name, _why_unreachable(tls)) from tls or error

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
    """Return the TLS error, such as an unknown certificate authority, among the causes of an error; else None."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _why_unreachable(tls: ssl.SSLError | None) -> str:
    """Return the reason of a failed connection: a certificate that is not accepted is no host that does not answer."""
    if isinstance(tls, ssl.SSLCertVerificationError):
        return "its certificate is not accepted."
    return "it cannot be reached." if tls is None else "the TLS handshake failed."

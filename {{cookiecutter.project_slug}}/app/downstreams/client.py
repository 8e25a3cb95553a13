"""One HTTP client: sends a request, reads a bounded answer. Only it and its `build_transport` import the library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

# {% if cookiecutter.http_client == "httpx2" %}import httpx2 as httpx{{ "\n" }}
# {% else %}
import httpx

from app.downstreams.engine import build_transport

# {% endif %}
# isort: split
# {% if cookiecutter.http_client == "httpx2" %}from app.downstreams.names import build_transport
# {% endif %}
from app.downstreams.settings import DownstreamSettings
from app.errors import DownstreamBadResponse, DownstreamTimedOut, DownstreamUnavailable

__all__ = ["Answer", "Call", "Client", "httpx"]

IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked."""

    method: str
    path: str
    """Percent-encoded, below the base URL."""
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Any case finds them."""
    body: bytes


class Client:
    """The connections to one downstream."""

    def __init__(
        self, name: str, settings: DownstreamSettings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Prepare; a connection is opened by the first call.

        Args:
            name: of the downstream, for errors.
            settings: where it is and its limits.
            transport: what its bytes travel over; tests pass a `MockTransport`.
        """
        self.name = name
        self._max_bytes = settings.max_bytes
        limit = settings.concurrency
        # a bomb of a few kilobytes unpacks to gigabytes; between services there is little to win by packing
        headers = settings.own_headers | {"Accept-Encoding": IDENTITY}
        self._client = httpx.AsyncClient(
            base_url=str(settings.base_url),
            headers=headers,
            # Equal to the gate: with fewer it would wait in a second queue, with fewer idle ones it reconnects.
            limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
            timeout=httpx.Timeout(settings.read_seconds, connect=settings.connect_seconds),
            follow_redirects=False,  # the host of a call comes from the settings, never from an answer
            trust_env=False,  # nor from HTTP_PROXY
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # one caller's must not go with another's call
            transport=transport or build_transport(settings),
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__()

    async def send(self, call: Call) -> Answer:
        """Send a request once and read the whole answer.

        Raises:
            ValueError: the path would lead to another host.
            DownstreamTimedOut: it paused for longer than one of the limits.
            DownstreamUnavailable: no connection, or it ended before the answer did.
            DownstreamBadResponse: the answer is no HTTP, too large, or packed although we asked for it as it is.
        """
        if call.path.startswith("/") or ":" in call.path:
            raise ValueError("A path stands below the base URL and has no address of its own.")
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
            raise DownstreamUnavailable(self.name, "it cannot be reached.") from error

    async def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", IDENTITY) != IDENTITY:
            raise DownstreamBadResponse(self.name, "its answer is packed, and nobody asked for that.")
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > self._max_bytes:
                raise DownstreamBadResponse(self.name, f"its answer is larger than {self._max_bytes:,} bytes.")
        return bytes(body)

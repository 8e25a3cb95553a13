"""One downstream: its client, its semaphore and its errors. The only file that imports the HTTP library."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

# {% if cookiecutter.http_client == "httpx2" %}import httpx2 as httpx{{ "\n" }}
# {% else %}
import httpx

# {% endif %}
from app.deadline import seconds_left
from app.errors import DownstreamBadResponse, DownstreamNotFound, DownstreamTimedOut, DownstreamUnavailable
from app.settings import DownstreamSettings

__all__ = ["Downstream", "build_client", "httpx"]

SERVER_ERROR = 500
CLIMBING = frozenset({"", ".", ".."})  # percent-encoding does not change what they mean


def build_client(settings: DownstreamSettings, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Build the client of one downstream; a client per request would cost 17 ms of CPU each, for its TLS set-up.

    Args:
        settings: where it is and its limits.
        transport: what its bytes travel over; tests pass a `MockTransport`.
    """
    limit = settings.concurrency
    return httpx.AsyncClient(
        base_url=str(settings.base_url),
        # Equal to the semaphore: with fewer it would wait in a second queue, with fewer idle ones it reconnects.
        limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
        timeout=httpx.Timeout(settings.total_seconds, connect=settings.connect_seconds),
        follow_redirects=False,  # the host of a call comes from the settings, never from an answer
        trust_env=False,  # nor from HTTP_PROXY
        transport=transport,
    )


@dataclass(frozen=True, slots=True)
class Downstream:
    """The way to one other service."""

    name: str
    client: httpx.AsyncClient
    semaphore: asyncio.Semaphore
    total_seconds: float

    async def get_json(self, *path: str) -> Any:  # noqa: ANN401 - JSON may be anything; the caller validates it
        """Return the JSON under this path.

        Args:
            path: the parts of the path, each percent-encoded here, so that a value cannot leave its place.

        Raises:
            ValueError: a part is empty or dots, which would name another place.
            DownstreamTimedOut: no whole answer within `total_seconds`, waiting for a slot included.
            DownstreamNotFound: it answered 404.
            DownstreamUnavailable: no connection, or a 5xx.
            DownstreamBadResponse: another status, or not JSON.
        """
        if CLIMBING.intersection(path):
            raise ValueError("An empty text, '.' and '..' cannot be a part of a path.")
        url = "/".join(quote(part, safe="") for part in path)
        try:
            async with asyncio.timeout(seconds_left(self.total_seconds)), self.semaphore:
                response = await self.client.get(url)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise DownstreamTimedOut(self.name, f"no answer within {self.total_seconds:g} s.") from error
        except httpx.HTTPError as error:
            raise DownstreamUnavailable(self.name, "it cannot be reached.") from error
        return self._read(response)

    def _read(self, response: httpx.Response) -> Any:  # noqa: ANN401 - as above
        if response.status_code == httpx.codes.NOT_FOUND:
            raise DownstreamNotFound(self.name, "it knows no such thing.")
        if response.status_code >= SERVER_ERROR:
            raise DownstreamUnavailable(self.name, f"it answered {response.status_code}.")
        if not response.is_success:
            raise DownstreamBadResponse(self.name, f"it answered {response.status_code}.")
        try:
            return response.json()
        except (ValueError, RecursionError) as error:  # deeply nested JSON is the second
            raise DownstreamBadResponse(self.name, "its answer is not JSON.") from error

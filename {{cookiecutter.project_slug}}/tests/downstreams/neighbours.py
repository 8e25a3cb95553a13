"""One downstream whose answers a test writes, without a network."""

from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import HttpUrl

from app.downstreams.client import Client, httpx
from app.downstreams.downstream import Downstream
from app.downstreams.settings import DownstreamSettings

Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def neighbour(handler: Handler, *, draining: bool = False, **changes: Any) -> Downstream:  # noqa: ANN401 - any setting
    """Return a downstream that answers so."""
    settings = DownstreamSettings(base_url=HttpUrl("http://neighbour.invalid/api"), **changes)
    client = Client("neighbour", settings, httpx.MockTransport(handler))
    return Downstream("neighbour", client, settings, draining=lambda: draining, development=True)


class Script:
    """Answers with these statuses one after another, and with the last one for ever; remembers what it was asked."""

    def __init__(self, *statuses: int, **headers: str) -> None:
        self.statuses = list(statuses)
        self.headers = headers
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        headers = {name.replace("_", "-"): value for name, value in self.headers.items()}
        return httpx.Response(status, json=status, headers=headers)

    def all(self, header: str) -> list[str | None]:
        """Return what each request said in this header."""
        return [request.headers.get(header) for request in self.requests]

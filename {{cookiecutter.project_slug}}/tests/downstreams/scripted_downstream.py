"""A downstream without a network: calls are answered by a function of the test, or by a list of statuses."""

from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import HttpUrl

from app.downstreams.client import Client, httpx
from app.downstreams.downstream import Downstream
from app.settings.downstreams import DownstreamSettings

Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def build_downstream(handler: Handler, *, draining: bool = False, **changes: Any) -> Downstream:  # noqa: ANN401 - Any, as settings have several types
    """Build a `Downstream` whose calls a handler function answers in memory, without a network."""
    settings = DownstreamSettings(base_url=HttpUrl("http://downstream.invalid/api"), **changes)
    client = Client("downstream", settings, httpx.MockTransport(handler))
    return Downstream("downstream", client, settings, draining=lambda: draining, development=True)


class ScriptedResponses:
    """A fake downstream that answers with a list of statuses in turn, repeats the last status, and records requests."""

    def __init__(self, *statuses: int, **headers: str) -> None:
        self.statuses = list(statuses)
        self.headers = headers
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request with the next status of the list, and record the request."""
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        headers = {name.replace("_", "-"): value for name, value in self.headers.items()}
        return httpx.Response(status, json=status, headers=headers)

    def values(self, header: str) -> list[str | None]:
        """Return the value of a header in each recorded request, None where it is missing."""
        return [request.headers.get(header) for request in self.requests]

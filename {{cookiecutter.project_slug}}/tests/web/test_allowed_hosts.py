"""Allowed hosts: a request for a different host name is refused, except on the routes of probes."""

import pytest
from starlette.types import Message, Scope

from app.web.browsers import AllowedHosts

HOSTS = "api.example.com, *.example.org, [::1]"


async def status_of(host: str, kind: str = "http", path: str = "/") -> int:
    """Return the status of a request with this Host header: 200 when the application is reached."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def app(_scope: Scope, _receive: object, _send: object) -> None:
        sent.append({"status": 200})

    scope = {"type": kind, "path": path, "headers": [(b"host", host.encode())] if host else []}
    await AllowedHosts(app, HOSTS)(scope | {"extensions": {"websocket.http.response": {}}}, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host",
    [*("api.example.com", "API.Example.Com:8000", "a.example.org", "a.b.example.org:443", "[::1]", "[::1]:8000")],
)
async def test_a_name_of_the_service_is_served(host: str) -> None:
    assert [await status_of(host), await status_of(host, "websocket")] == [200, 200]


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.test", "api.example.com.evil.test", "evil-api.example.com", "apiXexample.com", "example.org"),
        *(".example.org", "evil.test/.example.org", "evil.test#.example.org", "evil@api.example.com", "10.0.0.1"),
        *("api.example.com:8000:1", "api.example.com:x", "api.example.com,evil.test", "api.example.com\n", "[::2]"),
    ],
)
async def test_a_different_name_is_400_but_for_probes(host: str) -> None:
    assert [await status_of(host), await status_of(host, "websocket")] == [400, 400]
    assert await status_of(host, path="/health/ready") == 200

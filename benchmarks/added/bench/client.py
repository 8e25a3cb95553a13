"""Ask an application directly, one request after another, without a network, and read what a request costs."""

import time
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Scope


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked."""

    method: str
    target: str
    """The path, with its query if it has one."""
    body: str = ""

    def scope(self) -> Scope:
        """Return it as a server hands it over."""
        path, _, query = self.target.partition("?")
        headers = [(b"host", b"service"), (b"user-agent", b"bench"), (b"accept", b"*/*")]
        if self.body:
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body.encode()))]
        shape = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": ""}
        address = {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
        what = {"method": self.method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
        return shape | address | what | {"headers": headers}


async def ask(app: ASGIApp, request: Request, times: int) -> float:
    """Send a request some times and return the CPU microseconds of one, all threads together.

    Raises:
        RuntimeError: an answer was wrong; it would be measured as a fast one.
    """
    scope, body = request.scope(), request.body.encode()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message.get("status", HTTPStatus.OK) >= HTTPStatus.MULTIPLE_CHOICES:
            raise RuntimeError(f"{request.method} {request.target} was answered with {message['status']}")

    started = time.process_time()
    for _ in range(times):
        await app({**scope, "state": {}}, receive, send)
    return (time.process_time() - started) / times * 1e6
